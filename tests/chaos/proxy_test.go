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

// dbProxy is a proxy between the gateways and a database that can disturb connections.
type dbProxy struct{ proxy *toxiproxy.Proxy }

func newProxy(t *testing.T, to uint16) dbProxy {
	t.Helper()
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	l := dbProxy{toxiproxy.NewProxy(server, "database", "127.0.0.1:0", fmt.Sprintf("127.0.0.1:%d", to))}
	if err := l.proxy.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.proxy.Stop)
	return l
}

func (l dbProxy) port(t *testing.T) uint16 {
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

// addToxics adds toxics, written as toxiproxy's own API takes them.
func (l dbProxy) addToxics(t *testing.T, toxics ...string) {
	t.Helper()
	for _, one := range toxics {
		if _, err := l.proxy.Toxics.AddToxicJson(strings.NewReader(one)); err != nil {
			t.Fatal(one, err)
		}
	}
}

// removeToxics removes all of them.
func (l dbProxy) removeToxics() { l.proxy.Toxics.ResetToxics(context.Background()) }
