package adminapi

import (
	"context"

	"patchbay/core/personaldata"
)

// DataRequest names the person whose data is meant. With Rehearsal nothing is erased, and
// the answer reports what would be erased.
type DataRequest struct {
	personaldata.Who
	Rehearsal bool `json:"rehearsal,omitempty"`
}

// DataLine is one line of the answer to a DataRequest. The last line has the Report or an
// Error; without such a line the work is not complete.
type DataLine struct {
	personaldata.News
	Report *personaldata.Report `json:"report,omitempty"`
	Error  string               `json:"error,omitempty"`
}

func (l DataLine) failure() string { return l.Error }
func (l DataLine) last() bool      { return l.Report != nil }

// dataLines returns how a DataRequest is answered by work.
func dataLines(work func(context.Context, DataRequest, func(personaldata.News) error) (personaldata.Report, error),
) func(context.Context, *act, DataRequest, func(DataLine) error) (DataLine, error) {
	return func(ctx context.Context, a *act, r DataRequest, send func(DataLine) error) (DataLine, error) {
		a.about("tenant", r.Tenant)
		a.about("user", r.UserID) // never the email address
		if r.Rehearsal {
			a.name += "_rehearsal"
		}
		report, err := work(ctx, r, func(n personaldata.News) error { return send(DataLine{News: n}) })
		return DataLine{Report: &report}, err
	}
}
