package adminapi_test

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"patchbay/adapters/adminapi"
	"patchbay/core/fault"
	"patchbay/core/personaldata"
	"patchbay/core/user"
)

// keeper keeps what a test tells it.
type keeper struct {
	traces func(ctx context.Context, p user.Person, looked func(int) error, found func(user.PersonalObject) error) error
}

func (keeper) Person(_ context.Context, tenant, id, email string) (user.Person, error) {
	return user.Person{Tenant: tenant, UserID: id, Emails: []string{email}}, nil
}

func (k keeper) PersonalObjects(ctx context.Context, p user.Person, looked func(int) error, found func(user.PersonalObject) error) error {
	return k.traces(ctx, p, looked, found)
}

// one is a thing of the person's; erased counts.
func one(erased *int) keeper {
	return keeper{func(_ context.Context, p user.Person, looked func(int) error, found func(user.PersonalObject) error) error {
		if err := looked(7); err != nil {
			return err
		}
		return found(user.PersonalObject{ID: "a", View: p.UserID, Erase: func(context.Context) error { *erased++; return nil }})
	}}
}

func TestPersonalDataIsStreamedLineByLine(t *testing.T) {
	t.Parallel()
	erased := 0
	r := serve(t, adminapi.Options{Service: adminapi.Service{PersonalData: personaldata.New(one(&erased))}})
	const first = `{"person":{"tenant":"acme","userId":"usr_1","emails":[""]}}` + "\n" + `{"place":"users"}` + "\n" + `{"looked":7}` + "\n"
	for _, row := range []struct{ name, path, body, want string }{
		{
			"an export", "export", `{"tenant":"acme","userId":"usr_1"}`,
			first + `{"entry":"usr_1"}` + "\n" + `{"report":{"places":[{"place":"users","found":1,"erased":0,"pending":0}]}}` + "\n",
		},
		{
			"a rehearsal", "erase", `{"tenant":"acme","userId":"usr_1","rehearsal":true}`,
			first + `{"report":{"places":[{"place":"users","found":1,"erased":0,"pending":0}]}}` + "\n",
		},
		{
			"an erasure", "erase", `{"tenant":"acme","userId":"usr_1"}`,
			first + `{"report":{"places":[{"place":"users","found":1,"erased":1,"pending":0}]}}` + "\n",
		},
		{"of nobody", "erase", `{"tenant":"acme"}`, `{"error":"either a user's id or an email must be given"}` + "\n"},
	} {
		t.Run(row.name, func(t *testing.T) {
			if a := r.do(t, "POST", "/admin/data/"+row.path, row.body); a.status != 200 || a.body != row.want || a.header.Get("Content-Type") != "application/x-ndjson" {
				t.Errorf("%d %s\nwant %s", a.status, a.body, row.want)
			}
		})
	}
	if erased != 1 {
		t.Errorf("erased %d times, want 1", erased)
	}
	for name, body := range map[string]string{"no JSON": "user=usr_1", "a misspelled field": `{"tenant":"acme","userID2":"usr_1"}`, "nothing": ""} {
		if a := r.do(t, "POST", "/admin/data/erase", body); a.status != 400 || a.code != "refused" {
			t.Errorf("%s: status = %d, want 400, %s", name, a.status, a.body)
		}
	}
	foreign := header{"Origin": "https://evil.example"}
	if a := r.do(t, "POST", "/admin/data/erase", `{"tenant":"acme","userId":"usr_1"}`, foreign); a.status != 403 || erased != 1 {
		t.Errorf("from another site: status = %d, want 403, %d times erased", a.status, erased)
	}
}

func TestAnErrorOfAStreamIsItsLastLine(t *testing.T) {
	t.Parallel()
	r := serve(t, adminapi.Options{Service: adminapi.Service{PersonalData: personaldata.New(keeper{func(context.Context, user.Person, func(int) error, func(user.PersonalObject) error) error {
		return fault.New(fault.Unavailable, "gone", "the database is gone")
	}})}})
	a := r.do(t, "POST", "/admin/data/export", `{"tenant":"acme","userId":"usr_1"}`)
	if !strings.HasSuffix(a.body, `{"error":"the database is gone"}`+"\n") {
		t.Errorf("body = %s, want the error in its last line", a.body)
	}
}

// endless looks and looks, until somebody does not want to know any more.
func endless(ended chan<- error) keeper {
	return keeper{func(ctx context.Context, _ user.Person, looked func(int) error, _ func(user.PersonalObject) error) error {
		for {
			err := looked(1)
			if err == nil {
				err = ctx.Err()
			}
			if err != nil {
				ended <- err
				return err
			}
		}
	}}
}

// A walk through everything ends when the one who asked is gone, and when the console
// is shut down: it can be repeated.
func TestAStreamEndsWithItsReaderAndWithTheGateway(t *testing.T) {
	t.Parallel()
	for name, shutdown := range map[string]bool{"the client is gone": false, "the listener is shut down": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ended := make(chan error, 1)
			ctx, leave := context.WithTimeout(t.Context(), patience)
			defer leave()
			reading := make(chan struct{})
			// In a test of its own: it shuts the console down when it ends.
			t.Run("while it is read", func(t *testing.T) {
				r := serve(t, adminapi.Options{Service: adminapi.Service{PersonalData: personaldata.New(endless(ended))}})
				req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.base+"/admin/data/export", strings.NewReader(`{"tenant":"acme","userId":"usr_1"}`))
				if err != nil {
					t.Fatal(err)
				}
				req.Header.Set("Authorization", "Bearer "+secret.Token)
				resp, err := http.DefaultClient.Do(req)
				if err != nil {
					t.Fatal(err)
				}
				lines := bufio.NewScanner(resp.Body)
				for range 100 {
					var line adminapi.DataLine
					if !lines.Scan() || json.Unmarshal(lines.Bytes(), &line) != nil {
						t.Fatalf("line = %q, error = %v, want a line of JSON", lines.Text(), lines.Err())
					}
				}
				go func() {
					defer close(reading)
					defer resp.Body.Close()
					for lines.Scan() {
					}
				}()
				if !shutdown {
					leave()
					<-ended
					ended <- nil
				}
			})
			<-ended
			<-reading
		})
	}
}
