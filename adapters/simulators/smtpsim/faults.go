package smtpsim

import "strings"

// Step is a step of a conversation.
type Step string

// The steps: the commands, and what a server says without one.
const (
	Greeting  Step = "greeting"
	Ehlo      Step = "EHLO"
	StartsTLS Step = "STARTTLS"
	Auth      Step = "AUTH"
	Mail      Step = "MAIL"
	Rcpt      Step = "RCPT"
	Data      Step = "DATA"
	Message   Step = "message" // the text of the message, up to the line with the final dot
	Rset      Step = "RSET"
	Quit      Step = "QUIT"
)

// Command is a command that the server received.
type Command struct {
	Verb Step
	Line string // without the line break
	TLS  bool   // it came over TLS
	Conn int    // the number of its connection, from 0
}

// Fault is a failure of a step.
type Fault struct {
	At    Step
	Match string // what the command's line contains; empty for any line
	// When decides at each step that matches otherwise whether the fault applies. It may be nil, and
	// must not use the server.
	When func() bool
	// After means that the server does what it is asked, and the fault replaces its answer. Otherwise
	// the server does nothing.
	After    bool
	Mishap   Mishap
	Standing bool // applies to every matching step until Heal, not only to the next
}

func (f Fault) matches(at Step, line string) bool {
	return f.At == at && strings.Contains(line, f.Match) && (f.When == nil || f.When())
}

// Mishap is what happens instead of an answer.
type Mishap struct {
	hold   <-chan struct{} // what is waited for first
	honest bool            // the server does what it is asked, and gives its own answer
	say    string          // the answer otherwise, with its line breaks
	end    ending
}

type ending int

const (
	stay ending = iota
	closes
	resets
	hangs
)

// Says gives this answer, of one or more lines, each with its code.
func Says(lines ...string) Mishap { return Mishap{say: strings.Join(lines, "\r\n") + "\r\n"} }

// SaysAndCloses gives this answer and closes the connection.
func SaysAndCloses(lines ...string) Mishap {
	m := Says(lines...)
	m.end = closes
	return m
}

// AnswersAndCloses gives the server's own answer and closes the connection. It needs a Fault with
// After.
func AnswersAndCloses() Mishap { return Mishap{honest: true, end: closes} }

// AnswersAndResets gives the server's own answer and resets the connection. It needs a Fault with
// After.
func AnswersAndResets() Mishap { return Mishap{honest: true, end: resets} }

// AnswersAndHangs gives the server's own answer, and then reads nothing until Heal is called. It needs
// a Fault with After.
func AnswersAndHangs() Mishap { return Mishap{honest: true, end: hangs} }

// Closes closes the connection without an answer.
func Closes() Mishap { return Mishap{end: closes} }

// Resets resets the connection without an answer, as a crashed server does.
func Resets() Mishap { return Mishap{end: resets} }

// Hangs gives no answer until Heal is called; then it closes the connection.
func Hangs() Mishap { return Mishap{end: hangs} }

// Holds gives the server's own answer once the channel is closed. It needs a Fault with After.
func Holds(until <-chan struct{}) Mishap { return Mishap{hold: until, honest: true} }
