package chaos_test

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
	"testing"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"
)

// line is the way from the gateways to a database, which can be made sick.
type line struct{ proxy *toxiproxy.Proxy }

func newLine(t *testing.T, to uint16) line {
	t.Helper()
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	l := line{toxiproxy.NewProxy(server, "line", "127.0.0.1:0", fmt.Sprintf("127.0.0.1:%d", to))}
	if err := l.proxy.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.proxy.Stop)
	return l
}

func (l line) port(t *testing.T) uint16 {
	t.Helper()
	_, text, err := net.SplitHostPort(l.proxy.Listen)
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		t.Fatal(err)
	}
	return uint16(port)
}

// sicken adds toxics, as toxiproxy's own API takes them.
func (l line) sicken(t *testing.T, toxics ...string) {
	t.Helper()
	for _, one := range toxics {
		if _, err := l.proxy.Toxics.AddToxicJson(strings.NewReader(one)); err != nil {
			t.Fatal(one, err)
		}
	}
}

// heal removes them.
func (l line) heal() { l.proxy.Toxics.ResetToxics(context.Background()) }
