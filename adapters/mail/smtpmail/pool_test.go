package smtpmail_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"patchbay/adapters/mail/smtpmail"
	"patchbay/adapters/provider"
	"patchbay/adapters/simulators/smtpsim"
	"patchbay/core/fault"
)

// sends sends a message that must be accepted.
func sends(t *testing.T, m *smtpmail.Mailer) {
	t.Helper()
	if _, err := m.Send(t.Context(), message()); err != nil {
		t.Errorf("error %v, want none", err)
	}
}

func wantConnections(t *testing.T, sim *smtpsim.Sim, want int) {
	t.Helper()
	if got := sim.Connections(); got != want {
		t.Errorf("%d connections, want %d", got, want)
	}
}

func wantDelivered(t *testing.T, sim *smtpsim.Sim, want int) {
	t.Helper()
	if got := len(sim.Delivered()); got != want {
		t.Errorf("%d messages are delivered, want %d", got, want)
	}
}

func TestMessagesShareAConnectionWithRSETBetween(t *testing.T) {
	t.Parallel()
	sim := smtpsim.Start(t, smtpsim.Options{})
	m := open(t, settingsFor(t, sim), patience)
	sends(t, m)
	sends(t, m)
	wantVerbs(t, sim, smtpsim.Ehlo, smtpsim.Auth, smtpsim.Mail, smtpsim.Rcpt, smtpsim.Data, smtpsim.Rset, smtpsim.Mail, smtpsim.Rcpt, smtpsim.Data)
}

// Servers close connections that are idle. No message may fail because of that, nor be sent twice.
func TestAConnectionClosedMeanwhileIsReplaced(t *testing.T) {
	t.Parallel()
	for name, closes := range map[string]func(sim *smtpsim.Sim){
		"without a word": (*smtpsim.Sim).Drop,
		"with 421": func(sim *smtpsim.Sim) {
			sim.Inject(smtpsim.Fault{At: smtpsim.Rset, Mishap: smtpsim.SaysAndCloses("421 4.4.2 Idle timeout")})
		},
		"by a reset": func(sim *smtpsim.Sim) {
			sim.Inject(smtpsim.Fault{At: smtpsim.Rset, Mishap: smtpsim.Resets()})
		},
		"by a restart": func(sim *smtpsim.Sim) {
			sim.Refuse()
			sim.Resume()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sim := smtpsim.Start(t, smtpsim.Options{})
			m := open(t, settingsFor(t, sim), patience)
			sends(t, m)
			closes(sim)
			sends(t, m)
			wantConnections(t, sim, 2)
			wantDelivered(t, sim, 2)
		})
	}
}

func TestAConnectionIsReplacedOnceOnly(t *testing.T) {
	t.Parallel()
	sim := smtpsim.Start(t, smtpsim.Options{})
	m := open(t, settingsFor(t, sim), patience)
	sends(t, m)
	sim.Drop()
	sim.Inject(smtpsim.Fault{At: smtpsim.Greeting, After: true, Mishap: smtpsim.Closes()})
	_, err := m.Send(t.Context(), message())
	wantKind(t, err, fault.Unavailable, "connection_failed")
	wantConnections(t, sim, 2)
}

func TestAServerThatIsGoneMeanwhileIsUnavailable(t *testing.T) {
	t.Parallel()
	sim := smtpsim.Start(t, smtpsim.Options{})
	m := open(t, settingsFor(t, sim), patience)
	sends(t, m)
	sim.Refuse()
	_, err := m.Send(t.Context(), message())
	wantKind(t, err, fault.Unavailable, "connection_failed")
}

// The first message of the second transaction would otherwise go to the recipients of the first.
func TestARefusedTransactionLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	sim := smtpsim.Start(t, smtpsim.Options{})
	m := open(t, settingsFor(t, sim), patience)
	sim.Inject(smtpsim.Fault{At: smtpsim.Data, Mishap: smtpsim.Says("554 5.7.1 Not now")})
	first := message()
	first.To[0].Email = "eve@example.com"
	if _, err := m.Send(t.Context(), first); !fault.Is(err, fault.Refused) {
		t.Errorf("error %v, want kind refused", err)
	}
	sends(t, m)
	wantConnections(t, sim, 1)
	if got, want := sim.Messages()[0].To, []string{"ada@example.com"}; !slices.Equal(got, want) {
		t.Errorf("recipients %v, want %v", got, want)
	}
}

func TestAConnectionThatWasInterruptedIsNotUsedAgain(t *testing.T) {
	t.Parallel()
	sim := smtpsim.Start(t, smtpsim.Options{})
	m := open(t, settingsFor(t, sim), patience)
	sends(t, m)
	sim.Inject(smtpsim.Fault{At: smtpsim.Rcpt, Mishap: smtpsim.Hangs()})
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error, 1)
	go func() {
		_, err := m.Send(ctx, message())
		result <- err
	}()
	eventually(t, "the second message is begun", func() bool { return sim.Attempts() == 2 })
	cancel()
	wantKind(t, <-result, fault.Canceled, "canceled")
	sim.Heal()
	sends(t, m)
	wantConnections(t, sim, 2)
	wantDelivered(t, sim, 2)
}

func TestAnIdleConnectionIsClosedWithQUIT(t *testing.T) {
	t.Parallel()
	sim := smtpsim.Start(t, smtpsim.Options{})
	m := open(t, settingsFor(t, sim), patience)
	m.KeepIdle(time.Millisecond)
	sends(t, m)
	eventually(t, "the connection is closed", func() bool { return sim.Open() == 0 })
	if got := verbs(sim); got[len(got)-1] != smtpsim.Quit {
		t.Errorf("commands %v, want QUIT at the end", got)
	}
	sends(t, m)
	wantDelivered(t, sim, 2)
}

func TestThereAreNoMoreConnectionsThanAllowed(t *testing.T) {
	t.Parallel()
	sim := smtpsim.Start(t, smtpsim.Options{})
	m, err := smtpmail.New(provider.Environment{Name: "smtp", Settings: settingsFor(t, sim), Timeout: patience, MaxConns: 2})
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() { sends(t, m) })
	}
	all.Wait()
	if got := sim.Connections(); got > 2 {
		t.Errorf("%d connections, want at most 2", got)
	}
	wantDelivered(t, sim, 20)
}

// Waiting for a place says nothing of the server.
func TestAMessageThatFindsNoPlaceIsNotTheServersFault(t *testing.T) {
	t.Parallel()
	sim := smtpsim.Start(t, smtpsim.Options{})
	m, err := smtpmail.New(provider.Environment{Name: "smtp", Settings: settingsFor(t, sim), Timeout: patience, MaxConns: 1})
	if err != nil {
		t.Fatal(err)
	}
	release := make(chan struct{})
	sim.Inject(smtpsim.Fault{At: smtpsim.Mail, After: true, Mishap: smtpsim.Holds(release)})
	first := make(chan error, 1)
	go func() {
		_, err := m.Send(t.Context(), message())
		first <- err
	}()
	eventually(t, "the first message is begun", func() bool { return slices.Contains(verbs(sim), smtpsim.Mail) })
	late, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	_, err = m.Send(late, message())
	wantKind(t, err, fault.Overloaded, "overloaded")
	left, leave := context.WithCancel(t.Context())
	leave()
	_, err = m.Send(left, message())
	wantKind(t, err, fault.Canceled, "canceled")
	close(release)
	if err := <-first; err != nil {
		t.Errorf("the first message: error %v, want none", err)
	}
	wantDelivered(t, sim, 1)
}
