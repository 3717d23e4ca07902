package journaltest

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"patchbay/core/fault"
	"patchbay/ports"
	"patchbay/tests/contract/internal/fixture"
	"patchbay/tests/contract/internal/suite"
)

// Processes declares how processes share a store. The suite checks that whatever is not declared is
// refused.
type Processes struct {
	// Share means that several processes can have the store open at once. Otherwise only one can:
	// any other is refused with Unavailable, code store_locked, and the claims of an earlier
	// process are due again when the store is opened.
	Share bool
	// Make makes an empty store that no process has open, and returns its place in a form that the
	// package's Opener understands.
	Make func(t testing.TB) (place string)
}

// InMemory declares a store in the memory of its process, which no other process can open.
var InMemory = Processes{}

// placeCase is a case on an empty store that no process has open, given by its place.
type placeCase = suite.Case[string]

// exclusiveCases are those of a store that one process can have open.
var exclusiveCases = []placeCase{
	{
		Name: "a second process is refused",
		Doc:  "While a process has the store open, another one is refused with Unavailable and the code store_locked, until the first has ended.",
		Run:  secondRefused,
	},
	{
		Name: "claims of a killed process are due at once",
		Doc:  "What a process had claimed when it was killed can be claimed as soon as the store is opened again, and is marked as expired.",
		Run:  leasesVoid,
	},
}

// sharedCases are those of a store that several processes can have open.
var sharedCases = []placeCase{
	{
		Name: "claims never overlap between processes",
		Doc:  "Of three processes that claim at the same time no two get the same record, and every record is claimed.",
		Run:  processesApart,
	},
	{
		Name: "a process that was stopped beyond its lease cannot save",
		Doc:  "A process that goes on after its lease expired, and whose record another one has finished, is refused with Conflict.",
		Run:  stoppedBeyondLease,
	},
	{
		Name: "leases run by the clock of the store",
		Doc:  "A process whose clock is an hour fast or slow claims neither early nor late, and its leases have the right length.",
		Run:  storesOwnClock,
	},
}

// cases returns the cases that apply to what is declared.
func (p Processes) cases() []placeCase {
	switch {
	case p.Make == nil:
		return nil
	case p.Share:
		return sharedCases
	default:
		return exclusiveCases
	}
}

// processLimit bounds the life of a worker, so that a case ends even when a worker hangs.
const processLimit = 2 * time.Minute

// process is a worker process: the test binary itself, which Main runs as a worker.
type process struct {
	name string
	cmd  *exec.Cmd
	in   *json.Encoder
	out  *json.Decoder
}

// begin starts a worker, and returns the error with which it opened the store, if any.
func begin(t *testing.T, name, place string, skew time.Duration) (*process, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), processLimit)
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env = append(os.Environ(), envPlace+"="+place, envSkew+"="+skew.String())
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} // a stopped worker does not notice that its parent has ended
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &process{name, cmd, json.NewEncoder(in), json.NewDecoder(out)}
	t.Cleanup(func() {
		p.kill()
		cancel()
	})
	return p, p.answer(t).Failed.err()
}

// join starts a worker and fails the test if it cannot open the store.
func join(t *testing.T, name, place string, skew time.Duration) *process {
	t.Helper()
	p, err := begin(t, name, place, skew)
	if err != nil {
		t.Fatalf("%s cannot open the store: %v", name, err)
	}
	return p
}

// kill ends the worker at once. The worker may be stopped or may have ended already.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
}

// stop stops the worker (SIGSTOP) and waits until it has stopped.
func (p *process) stop(t *testing.T) {
	t.Helper()
	p.signal(t, syscall.SIGSTOP)
	var status syscall.WaitStatus
	if _, err := syscall.Wait4(p.cmd.Process.Pid, &status, syscall.WUNTRACED, nil); err != nil || !status.Stopped() {
		t.Fatalf("%s has not stopped: got %v, %v, want stopped", p.name, status, err)
	}
}

func (p *process) signal(t *testing.T, s syscall.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}

func (p *process) tell(t *testing.T, o order) {
	t.Helper()
	o.Owner = p.name
	if err := p.in.Encode(o); err != nil {
		t.Fatalf("%s does not take orders: %v", p.name, err)
	}
}

func (p *process) answer(t *testing.T) (a answer) {
	t.Helper()
	if err := p.out.Decode(&a); err != nil {
		t.Fatalf("%s does not answer: %v", p.name, err)
	}
	return a
}

// do sends the worker an order that must succeed.
func (p *process) do(t *testing.T, o order) answer {
	t.Helper()
	p.tell(t, o)
	a := p.answer(t)
	if err := a.Failed.err(); err != nil {
		t.Fatalf("%s, told to %s: %v", p.name, o.Do, err)
	}
	return a
}

func (p *process) put(t *testing.T, id string, due time.Time) {
	t.Helper()
	r := fixture.Record(id)
	r.Queue, r.Due = fixture.Queue, due
	p.do(t, order{Do: toPut, Record: r})
}

func (p *process) claim(t *testing.T, lease time.Duration) []ports.Claim {
	t.Helper()
	return p.do(t, order{Do: toClaim, Lease: lease, N: 10}).Claims
}

// Each worker claims some records in turn; then all claim the rest at the same time, in small
// portions.
func processesApart(t *testing.T, place string) {
	const records, portion = 96, 3
	all := []*process{join(t, "first", place, 0), join(t, "second", place, 0), join(t, "third", place, 0)}
	for i := range records {
		all[i%len(all)].put(t, fmt.Sprint("r", i), fixture.Day)
	}
	owners := make(map[string]string)
	own := func(p *process, claims []ports.Claim) {
		for _, c := range claims {
			if before, twice := owners[c.ID]; twice {
				t.Errorf("%s was claimed by %s and by %s, want once", c.ID, before, p.name)
			}
			owners[c.ID] = p.name
		}
	}
	for _, p := range all {
		claims := p.claim(t, fixture.Lease)
		if len(claims) == 0 {
			t.Errorf("%s claimed nothing, want some claims", p.name)
		}
		own(p, claims)
	}
	for _, p := range all {
		p.tell(t, order{Do: toDrain, Lease: fixture.Lease, N: portion})
	}
	for _, p := range all {
		a := p.answer(t)
		if err := a.Failed.err(); err != nil {
			t.Error(err)
		}
		own(p, a.Claims)
	}
	if len(owners) != records {
		t.Errorf("got %d claimed records, want %d", len(owners), records)
	}
}

// The stopped process has received the order to save. It saves as soon as it continues, and does
// not know that its lease has expired.
func stoppedBeyondLease(t *testing.T, place string) {
	stopped, next := join(t, "stopped", place, 0), join(t, "next", place, 0)
	next.put(t, "a", fixture.Day)
	if claims := stopped.claim(t, 200*time.Millisecond); len(claims) != 1 {
		t.Fatalf("got %+v, want 1 claim", claims)
	}
	stopped.stop(t)
	stopped.tell(t, order{Do: toFinish, ID: "a", Body: []byte("too late")})
	var claims []ports.Claim
	suite.Eventually(t, "the lease runs out", func() bool {
		claims = next.claim(t, fixture.Lease)
		return len(claims) == 1
	})
	if !claims[0].Expired {
		t.Error("got a claim that is not marked as expired, want the mark")
	}
	next.do(t, order{Do: toFinish, ID: "a", Body: []byte("the next owner's")})
	stopped.signal(t, syscall.SIGCONT)
	suite.WantKind(t, stopped.answer(t).Failed.err(), fault.Conflict)
	if r := stopped.do(t, order{Do: toGet, ID: "a"}).Record; string(r.Body) != "the next owner's" || r.Queue != "" {
		t.Errorf("%+v, with %s, want body \"the next owner's\", no queue", r, r.Body)
	}
}

// A worker whose clock is off by an hour claims neither early nor late, and its leases are neither
// too long nor too short.
func storesOwnClock(t *testing.T, place string) {
	right, fast, slow := join(t, "right", place, 0), join(t, "fast", place, time.Hour), join(t, "slow", place, -time.Hour)
	want := func(who *process, lease time.Duration, want string) []ports.Claim {
		t.Helper()
		claims := who.claim(t, lease)
		if got := strings.Join(fixture.IDs(claims), " "); got != want {
			t.Fatalf("%s claimed %q, want %q", who.name, got, want)
		}
		return claims
	}
	now := time.Now()
	right.put(t, "due", now.Add(-time.Hour/2))
	right.put(t, "not yet", now.Add(time.Hour/2))
	c := want(slow, time.Hour/2, "due")[0]
	if late := c.Due.Sub(now); late < time.Hour/2 || late > time.Hour*3/4 {
		t.Errorf("a lease of 30 minutes ends in %s, want at least %v, at most %v", late, time.Hour/2, time.Hour*3/4)
	}
	want(fast, fixture.Lease, "")
	want(right, fixture.Lease, "")

	right.put(t, "short", fixture.Day)
	want(fast, 30*time.Millisecond, "short")
	suite.Eventually(t, "the lease runs out", func() bool {
		claims := slow.claim(t, fixture.Lease)
		return len(claims) == 1 && claims[0].ID == "short" && claims[0].Expired
	})
}

func secondRefused(t *testing.T, place string) {
	first := join(t, "first", place, 0)
	_, err := begin(t, "second", place, 0)
	if f := fault.From(err); err == nil || f.Kind != fault.Unavailable || f.Code != "store_locked" {
		t.Errorf("%v, want %s with code store_locked", err, fault.Unavailable)
	}
	first.put(t, "a", fixture.Day) // the first still works
	first.kill()
	join(t, "third", place, 0).do(t, order{Do: toGet, ID: "a"})
}

func leasesVoid(t *testing.T, place string) {
	dead := join(t, "dead", place, 0)
	dead.put(t, "a", fixture.Day)
	if claims := dead.claim(t, fixture.Lease); len(claims) != 1 {
		t.Fatalf("got %+v, want 1 claim", claims)
	}
	dead.kill()
	claims := join(t, "next", place, 0).claim(t, fixture.Lease)
	if fmt.Sprint(fixture.IDs(claims)) != "[a]" || !claims[0].Expired {
		t.Errorf("got %+v, want a claim of a that is marked as expired", claims)
	}
}
