package ports

import "context"

type tenantKey struct{}

// WithTenant notes for whom a call is made.
func WithTenant(ctx context.Context, tenant string) context.Context {
	return context.WithValue(ctx, tenantKey{}, tenant)
}
