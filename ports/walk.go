package ports

import "context"

// Walk reads all records of a tenant and kind, newest first, size of them at a time, and passes
// them to each. They may be saved during the walk. An error returned by each ends it; other
// errors as for List.
func Walk(ctx context.Context, j Journal, tenant, kind string, size int, each func([]Record) error) error {
	for cursor := ""; ; {
		page, err := j.List(ctx, tenant, kind, Filter{}, cursor, size)
		if err != nil {
			return err
		}
		if err := each(page.Records); err != nil {
			return err
		}
		if cursor = page.Next; cursor == "" {
			return nil
		}
	}
}
