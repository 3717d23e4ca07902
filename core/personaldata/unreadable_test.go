package personaldata_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"testing"

	"patchbay/core/emails"
	"patchbay/core/personaldata"
	"patchbay/core/webhooks"
	"patchbay/ports"
)

// What cannot be read may be of anybody, and must not keep anybody's data from being found.
func TestWhatCannotBeReadIsNamedAndTheRestIsDone(t *testing.T) {
	within(t, func(t *testing.T, r *rig) {
		ada, _, _ := seed(t, r)
		who := personaldata.Who{Tenant: tenant, UserID: ada.ID}
		for _, bad := range []*ports.Record{
			{Tenant: tenant, Kind: emails.Kind, ID: "msg_bad"},
			{Tenant: tenant, Kind: "payment", ID: "pay_bad"},
			{Tenant: "stripe", Kind: webhooks.Kind, ID: "mock:bad"},
		} {
			bad.Body = []byte(`{"recordVersion": 99}`)
			if err := r.journal.Save(t.Context(), bad)[0]; err != nil {
				t.Fatal(err)
			}
		}

		var to bytes.Buffer
		var unread []string
		d := personaldata.NewDocument(&to)
		report, err := r.Export(t.Context(), who, func(n personaldata.Progress) error {
			if n.Pending != nil {
				unread = append(unread, n.Pending.ID)
			}
			return d.Add(n)
		})
		if err != nil || fmt.Sprint(unread) != "[msg_bad pay_bad mock:bad]" {
			t.Errorf("the export says that it cannot read %v, %v", unread, err)
		}
		var whole map[string]any
		if err := d.Close(); err != nil || json.Unmarshal(to.Bytes(), &whole) != nil {
			t.Errorf("the document is %s, %v", to.String(), err)
		}
		if got, want := summary(report), "messages 6/0/1 payments 3/0/1 webhooks 4/0/1 users 1/0/0"; got != want {
			t.Errorf("exported %s, want %s", got, want)
		}

		counts, pending, err := r.erase(t, who)
		const why = "it cannot be read, so that nobody knows whose it is"
		want := []personaldata.Pending{{ID: "msg_bad", Why: why}, {ID: "pay_bad", Why: why}, {ID: "mock:bad", Why: why}, {ID: ada.ID, Why: "the rest must be erased before"}}
		if err != nil || counts != "messages 6/5/1 payments 3/2/1 webhooks 4/3/1 users 1/0/1" || fmt.Sprint(pending) != fmt.Sprint(want) {
			t.Errorf("%v, %s, %+v", err, counts, pending)
		}
	})
}
