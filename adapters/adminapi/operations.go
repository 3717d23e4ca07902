package adminapi

import (
	"context"
	"errors"
	"io"
	"time"

	"patchbay/core/apikeys"
	"patchbay/core/fault"
	"patchbay/core/payment"
	"patchbay/core/payments"
	"patchbay/core/personaldata"
	"patchbay/ports"
)

// Operations is what the commands of an operator do: by a Client while a gateway runs, which
// then holds the store, and otherwise by a Service on the store itself.
type Operations interface {
	CreateKey(ctx context.Context, n NewKey) (CreatedKey, error)
	ListKeys(ctx context.Context) ([]KeyView, error)
	RevokeKey(ctx context.Context, id string) error
	// ExportData and EraseData report their progress through tell, as personaldata.Service
	// does.
	ExportData(ctx context.Context, r DataRequest, tell func(personaldata.News) error) (personaldata.Report, error)
	EraseData(ctx context.Context, r DataRequest, tell func(personaldata.News) error) (personaldata.Report, error)
	// Reviews passes the payments of all tenants that need a person to tell.
	Reviews(ctx context.Context, tell func(ReviewLine) error) error
	ResolvePayment(ctx context.Context, id string, v Verdict) (Settled, error)
	StorageStatus(ctx context.Context) (Storage, error)
	PutBackRecord(ctx context.Context, record string) error
	// WriteBackup writes the store as one file.
	WriteBackup(ctx context.Context, to io.Writer) error
}

// Service implements Operations on the store.
type Service struct {
	APIKeys      *apikeys.Service
	PersonalData *personaldata.Service
	Payments     *payments.Service
	Storage      func(ctx context.Context) Storage
	PutBack      func(ctx context.Context, record string) error
	// Backup takes a snapshot of the store. It is nil if the store cannot be backed up.
	Backup func(ctx context.Context) (ports.Snapshot, error)
}

var _, _ Operations = Service{}, (*Client)(nil)

// CreateKey implements Operations.
func (s Service) CreateKey(ctx context.Context, n NewKey) (CreatedKey, error) {
	var ttl time.Duration
	if n.TTL != "" {
		var err error
		if ttl, err = time.ParseDuration(n.TTL); err != nil {
			return CreatedKey{}, fault.InvalidParam("ttl", "invalid_ttl", "ttl must be a duration such as 720h")
		}
		if ttl <= 0 {
			return CreatedKey{}, apikeys.ErrTTL
		}
	}
	token, key, err := s.APIKeys.Create(ctx, n.Tenant, n.Name, n.Scopes, ttl)
	return CreatedKey{Token: token, Key: view(key)}, err
}

// ListKeys implements Operations.
func (s Service) ListKeys(ctx context.Context) ([]KeyView, error) {
	keys, err := s.APIKeys.List(ctx)
	views := make([]KeyView, len(keys))
	for i, k := range keys {
		views[i] = view(k)
	}
	return views, err
}

// RevokeKey implements Operations.
func (s Service) RevokeKey(ctx context.Context, id string) error { return s.APIKeys.Revoke(ctx, id) }

// ExportData implements Operations.
func (s Service) ExportData(ctx context.Context, r DataRequest, tell func(personaldata.News) error) (personaldata.Report, error) {
	return s.PersonalData.Export(ctx, r.Who, tell)
}

// EraseData implements Operations.
func (s Service) EraseData(ctx context.Context, r DataRequest, tell func(personaldata.News) error) (personaldata.Report, error) {
	return s.PersonalData.Erase(ctx, r.Who, r.Rehearsal, tell)
}

// Reviews implements Operations.
func (s Service) Reviews(ctx context.Context, tell func(ReviewLine) error) error {
	tenants, err := s.APIKeys.Tenants(ctx)
	if err != nil {
		return err
	}
	looked := func(n int) error { return tell(ReviewLine{Looked: n}) }
	found := func(p payment.Payment) error {
		for _, r := range reviews(p) {
			if err := tell(ReviewLine{Review: &r}); err != nil {
				return err
			}
		}
		return nil
	}
	for _, tenant := range tenants {
		if err := s.Payments.InReview(ctx, tenant, looked, found); err != nil {
			return err
		}
	}
	return nil
}

// ResolvePayment implements Operations.
func (s Service) ResolvePayment(ctx context.Context, id string, v Verdict) (Settled, error) {
	p, err := s.Payments.Settle(ctx, v.Tenant, id, payments.SettleRequest{
		Verdict: payments.Verdict(v.Verdict), Reference: v.Reference, Note: v.Note, By: Operator,
	})
	return Settled{ID: p.ID, Status: p.Status}, err
}

// StorageStatus implements Operations.
func (s Service) StorageStatus(ctx context.Context) (Storage, error) { return s.Storage(ctx), nil }

// PutBackRecord implements Operations.
func (s Service) PutBackRecord(ctx context.Context, record string) error {
	return s.PutBack(ctx, record)
}

// WriteBackup implements Operations.
func (s Service) WriteBackup(ctx context.Context, to io.Writer) error {
	if s.Backup == nil {
		return fault.New(fault.Unsupported, "no_snapshots", "the store is not a file")
	}
	shot, err := s.Backup(ctx)
	if err != nil {
		return err
	}
	_, err = io.Copy(to, shot)
	return errors.Join(err, shot.Close())
}
