package record

import (
	"patchbay/core/fault"
	"patchbay/ports"
)

// Storable returns Invalid unless the record can be saved.
func Storable(r *ports.Record) error {
	switch {
	case r.ID == "" || r.Kind == "" || len(r.Body) == 0:
		return fault.New(fault.Invalid, "invalid_record", "a record needs an id, a kind and a body")
	case r.Partial:
		return fault.New(fault.Invalid, "partial_record", "a record from a list is read again before it is saved: it has more than the list shows")
	}
	return nil
}

// Attachable returns Invalid unless a record can be attached with its children.
func Attachable(parent *ports.Record, children []*ports.Record) error {
	for _, c := range children {
		if c.ID == "" || c.Kind == "" || len(c.Body) == 0 || c.Tenant != parent.Tenant || c.Rev != 0 || c.Idem != "" || c.Ref != "" || len(c.Events)+len(c.Content) > 0 {
			return fault.New(fault.Invalid, "invalid_child", "a child is new, of the record's tenant, and has an id, a kind and a body; no content, no key, no reference and no events")
		}
	}
	if parent.Rev != 0 {
		return fault.New(fault.Invalid, "invalid_record", "only a new record is attached")
	}
	return nil
}
