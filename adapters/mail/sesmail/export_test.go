package sesmail

import (
	"context"

	"patchbay/adapters/provider"
	"patchbay/ports"
)

// Endpoint is the URL of SES in a region.
var Endpoint = endpoint

// NewHookOver is NewHook with another way to reach SNS.
func NewHookOver(clock ports.Clock, get func(ctx context.Context, url string) ([]byte, error), accounts ...provider.Account) (*Hook, error) {
	return newHook(clock, get, accounts...)
}
