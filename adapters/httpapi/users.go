package httpapi

import (
	"strconv"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"patchbay/adapters/httpapi/api"
	"patchbay/core/fault"
	"patchbay/core/idempotency"
	"patchbay/core/user"
	"patchbay/core/users"
)

func (s *Server) createUser(r *request, in api.NewUser, key idempotency.Key) (any, error) {
	u, replayed, err := s.Users.Create(r.ctx, r.caller.Tenant,
		users.NewUser{Email: in.Email, Name: in.Name, Metadata: in.Metadata}, key)
	r.setReplayed(replayed)
	r.Status(fiber.StatusCreated)
	return r.versioned(u, err)
}

func (s *Server) getUser(r *request) (any, error) {
	consistency, err := r.consistency()
	if err != nil {
		return nil, err
	}
	u, source, err := s.Users.Get(r.ctx, r.caller.Tenant, r.id, consistency)
	r.setSource(source)
	return r.versioned(u, err)
}

func (s *Server) updateUser(r *request) (any, error) {
	version, err := r.ifMatch()
	if err != nil {
		return nil, err
	}
	var in api.UserPatch
	if _, err := r.decode(&in); err != nil {
		return nil, err
	}
	return r.versioned(s.Users.Update(r.ctx, r.caller.Tenant, r.id, patchOf(in), version))
}

// patchOf returns the changes of a merge patch. A null name is an empty one.
func patchOf(in api.UserPatch) user.Patch {
	p := user.Patch{Email: in.Email, ClearMetadata: in.Metadata.Null}
	if in.Name.Present {
		p.Name = &in.Name.Value
	}
	if len(in.Metadata.Value) > 0 {
		p.Metadata = make(map[string]*string, len(in.Metadata.Value))
	}
	for key, value := range in.Metadata.Value {
		p.Metadata[key] = nil
		if !value.Null {
			p.Metadata[key] = &value.Value
		}
	}
	return p
}

func (s *Server) deleteUser(r *request) (any, error) {
	version, err := r.ifMatch()
	if err != nil {
		return nil, err
	}
	if err := s.Users.Delete(r.ctx, r.caller.Tenant, r.id, version); err != nil {
		return nil, err
	}
	return nil, r.SendStatus(fiber.StatusNoContent)
}

func (s *Server) listUsers(r *request, cursor string, limit int) (any, error) {
	consistency, err := r.consistency()
	if err != nil {
		return nil, err
	}
	email, err := r.queryAddress("email")
	switch {
	case err != nil:
		return nil, err
	case email != "":
		return s.findUser(r, email, consistency)
	}
	page, source, err := s.Users.List(r.ctx, r.caller.Tenant, cursor, limit, consistency)
	r.setSource(source)
	return api.UserPage{Data: views(page.Users, userView), NextCursor: page.Next}, err
}

// findUser answers with a list of one user, or none.
func (s *Server) findUser(r *request, email string, c users.Consistency) (any, error) {
	u, source, err := s.Users.FindByEmail(r.ctx, r.caller.Tenant, email, c)
	r.setSource(source)
	if fault.Is(err, fault.NotFound) {
		return api.UserPage{}, nil
	}
	return api.UserPage{Data: []api.User{userView(u)}}, err
}

// consistency reads whether the caller accepts an answer from the standby.
func (r *request) consistency() (users.Consistency, error) {
	switch r.Get("Patchbay-Consistency") {
	case "":
		return users.Available, nil
	case "strong":
		return users.Strong, nil
	}
	return users.Available, fault.InvalidParam("Patchbay-Consistency", "invalid_consistency", "Patchbay-Consistency may be strong")
}

// setSource sets the headers that mark users read from the standby, also if none was
// found.
func (r *request) setSource(s users.Source) {
	if !s.AsOf.IsZero() {
		r.Set("X-Data-Source", "standby")
		r.Set("X-Data-As-Of", s.AsOf.Format(time.RFC3339Nano))
	}
}

// versioned answers with a user and its version as ETag.
func (r *request) versioned(u user.User, err error) (any, error) {
	if err == nil {
		r.Set(fiber.HeaderETag, etag(u.Version))
	}
	return userView(u), err
}

func etag(version int64) string { return `"v` + strconv.FormatInt(version, 10) + `"` }

// ifMatch reads the version that the caller expects (RFC 9110 §13.1.1), or 0 for any
// version. A tag that the gateway never issued matches no version.
func (r *request) ifMatch() (int64, error) {
	header := strings.TrimSpace(r.Get(fiber.HeaderIfMatch))
	if header == "" || header == "*" {
		return 0, nil
	}
	text := strings.TrimSuffix(strings.TrimPrefix(header, `"v`), `"`)
	if version, err := strconv.ParseInt(text, 10, 64); err == nil && version > 0 && header == etag(version) {
		return version, nil
	}
	return 0, refuse(fiber.StatusPreconditionFailed, "version_mismatch", "If-Match does not name the present version")
}

func userView(u user.User) api.User {
	return api.User{
		Id: u.ID, Email: u.Email, Name: u.Name, Metadata: u.Metadata, Version: u.Version,
		CreatedAt: u.CreatedAt, UpdatedAt: u.UpdatedAt,
	}
}
