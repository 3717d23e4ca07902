package adminapi

import (
	"context"

	"github.com/gofiber/fiber/v2"

	"patchbay/core/personaldata"
)

// DataRequest names the person whose data is meant. With Rehearsal nothing is erased, and
// the answer reports what would be erased.
type DataRequest struct {
	personaldata.Who
	Rehearsal bool `json:"rehearsal,omitempty"`
}

func (r DataRequest) describe(a *act) {
	a.addObject("tenant", r.Tenant)
	a.addObject("user", r.UserID) // never the email address
	if r.Rehearsal {
		a.name += "_rehearsal"
	}
}

// DataLine is one line of the answer to a DataRequest. The last line has the Report or an
// Error; without such a line the work is not complete.
type DataLine struct {
	personaldata.Progress
	Report *personaldata.Report `json:"report,omitempty"`
	Error  string               `json:"error,omitempty"`
}

func (l DataLine) failure() string { return l.Error }
func (l DataLine) last() bool      { return l.Report != nil }

const wrongPerson = "the body does not say whose data is meant"

// ExportData exports everything that is kept of a person.
var ExportData = Stream[DataRequest, DataLine]{
	route{method: fiber.MethodPost, path: "/admin/data/export", action: "data.export", wrong: wrongPerson},
	func(ctx context.Context, s *Service, r DataRequest, send func(DataLine) error) (DataLine, error) {
		report, err := s.PersonalData.Export(ctx, r.Who, news(send))
		return DataLine{Report: &report}, err
	},
}

// EraseData erases everything that is kept of a person.
var EraseData = Stream[DataRequest, DataLine]{
	route{method: fiber.MethodPost, path: "/admin/data/erase", action: "data.erase", wrong: wrongPerson},
	func(ctx context.Context, s *Service, r DataRequest, send func(DataLine) error) (DataLine, error) {
		report, err := s.PersonalData.Erase(ctx, r.Who, r.Rehearsal, news(send))
		return DataLine{Report: &report}, err
	},
}

func news(send func(DataLine) error) func(personaldata.Progress) error {
	return func(n personaldata.Progress) error { return send(DataLine{Progress: n}) }
}
