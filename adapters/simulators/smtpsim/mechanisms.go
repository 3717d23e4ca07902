package smtpsim

import (
	"crypto/hmac"
	"crypto/md5" //nolint:gosec // CRAM-MD5 is defined over it
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"

	"github.com/emersion/go-sasl"
	"github.com/xdg-go/scram"
)

// errCredentials is the error of a mechanism for wrong credentials.
var errCredentials = errors.New("smtpsim: wrong credentials")

// mechanism returns the server's side of a mechanism, or nil if it is not offered.
func (s *Sim) mechanism(name string) sasl.Server {
	switch name {
	case "PLAIN":
		return sasl.NewPlainServer(func(_, user, password string) error { return s.check(user, password) })
	case "LOGIN":
		return &login{sim: s}
	case "CRAM-MD5":
		return &cramMD5{sim: s}
	case "SCRAM-SHA-1":
		return s.scram(scram.SHA1)
	case "SCRAM-SHA-256":
		return s.scram(scram.SHA256)
	}
	return nil
}

func (s *Sim) check(user, password string) error {
	if user != s.User() || subtle.ConstantTimeCompare([]byte(password), []byte(s.key)) != 1 {
		return errCredentials
	}
	return nil
}

// login is the mechanism LOGIN: the server asks for the user's name, then for the password.
type login struct {
	sim  *Sim
	step int
	user string
}

// Next implements sasl.Server.
func (l *login) Next(response []byte) (challenge []byte, done bool, err error) {
	l.step++
	switch l.step {
	case 1:
		return []byte("Username:"), false, nil
	case 2:
		l.user = string(response)
		return []byte("Password:"), false, nil
	}
	return nil, true, l.sim.check(l.user, string(response))
}

// cramMD5 is the mechanism CRAM-MD5 (RFC 2195): the password is the key of a MAC over a challenge.
type cramMD5 struct {
	sim       *Sim
	challenge string
}

// Next implements sasl.Server.
func (c *cramMD5) Next(response []byte) (challenge []byte, done bool, err error) {
	if c.challenge == "" {
		c.challenge = "<" + rand.Text() + "@mail.example.com>"
		return []byte(c.challenge), false, nil
	}
	mac := hmac.New(md5.New, []byte(c.sim.key))
	mac.Write([]byte(c.challenge))
	if want := fmt.Sprintf("%s %x", c.sim.User(), mac.Sum(nil)); !hmac.Equal(response, []byte(want)) {
		return nil, false, errCredentials
	}
	return nil, true, nil
}

// conversation is a mechanism of SCRAM (RFC 5802).
type conversation struct {
	*scram.ServerConversation
	begun bool
}

func (s *Sim) scram(hash scram.HashGeneratorFcn) sasl.Server {
	server, err := hash.NewServer(func(user string) (scram.StoredCredentials, error) {
		if user != s.User() {
			return scram.StoredCredentials{}, errCredentials
		}
		client, err := hash.NewClient(user, s.key, "")
		if err != nil {
			return scram.StoredCredentials{}, err
		}
		return client.GetStoredCredentials(scram.KeyFactors{Salt: rand.Text(), Iters: 4096}), nil
	})
	if err != nil {
		return nil
	}
	return &conversation{ServerConversation: server.NewConversation()}
}

// Next implements sasl.Server. The client sends nothing with the command, and nothing in answer to
// the server's proof.
func (c *conversation) Next(response []byte) (challenge []byte, done bool, err error) {
	switch {
	case !c.begun:
		c.begun = true
		return nil, false, nil
	case c.Done():
		return nil, true, nil
	}
	text, err := c.Step(string(response))
	if err != nil {
		return nil, false, errCredentials
	}
	return []byte(text), false, nil
}
