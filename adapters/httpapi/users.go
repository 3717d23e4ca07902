package httpapi

import (
	"strconv"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"patchbay/adapters/httpapi/api"
	"patchbay/core/fault"
	"patchbay/core/user"
	"patchbay/core/users"
)

func (s *Server) createUser(r *request) error {
	var in api.NewUser
	key, err := r.decode(&in)
	if err != nil {
		return err
	}
	u, replayed, err := s.Users.Create(r.ctx, r.tenant,
		users.NewUser{Email: in.Email, Name: in.Name, Metadata: in.Metadata}, key)
	if err != nil {
		return err
	}
	r.replayed(replayed)
	return r.user(fiber.StatusCreated, u)
}

func (s *Server) getUser(r *request) error {
	consistency, err := r.consistency()
	if err != nil {
		return err
	}
	u, source, err := s.Users.Get(r.ctx, r.tenant, r.id(), consistency)
	r.source(source)
	if err != nil {
		return err
	}
	return r.user(fiber.StatusOK, u)
}

func (s *Server) updateUser(r *request) error {
	version, err := r.ifMatch()
	if err != nil {
		return err
	}
	var in api.UserPatch
	if _, err := r.decode(&in); err != nil {
		return err
	}
	u, err := s.Users.Update(r.ctx, r.tenant, r.id(), patchOf(in), version)
	if err != nil {
		return err
	}
	return r.user(fiber.StatusOK, u)
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

func (s *Server) deleteUser(r *request) error {
	version, err := r.ifMatch()
	if err != nil {
		return err
	}
	if err := s.Users.Delete(r.ctx, r.tenant, r.id(), version); err != nil {
		return err
	}
	return r.SendStatus(fiber.StatusNoContent)
}

func (s *Server) listUsers(r *request) error {
	cursor, limit, err := r.page()
	if err != nil {
		return err
	}
	consistency, err := r.consistency()
	if err != nil {
		return err
	}
	if email := r.query("email"); email != "" {
		return s.findUser(r, email, consistency)
	}
	page, source, err := s.Users.List(r.ctx, r.tenant, cursor, limit, consistency)
	r.source(source)
	if err != nil {
		return err
	}
	out := api.UserPage{Data: make([]api.User, len(page.Users)), NextCursor: page.Next}
	for i, u := range page.Users {
		out.Data[i] = userView(u)
	}
	return r.answer(fiber.StatusOK, out)
}

// findUser answers with a list of one user, or none.
func (s *Server) findUser(r *request, email string, c users.Consistency) error {
	u, source, err := s.Users.FindByEmail(r.ctx, r.tenant, email, c)
	r.source(source)
	switch {
	case fault.Is(err, fault.NotFound):
		return r.answer(fiber.StatusOK, api.UserPage{})
	case err != nil:
		return err
	}
	return r.answer(fiber.StatusOK, api.UserPage{Data: []api.User{userView(u)}})
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

// source sets the headers that mark users read from the standby, also if none was found.
func (r *request) source(s users.Source) {
	if !s.AsOf.IsZero() {
		r.Set("X-Data-Source", "standby")
		r.Set("X-Data-As-Of", s.AsOf.Format(time.RFC3339Nano))
	}
}

// user answers with a user and its version as ETag.
func (r *request) user(status int, u user.User) error {
	r.Set(fiber.HeaderETag, etag(u.Version))
	return r.answer(status, userView(u))
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
