package httpclient

import (
	"context"
	"crypto/tls"
	"net"
	"sync/atomic"
	"time"
)

// conn counts the bytes written to it. With TLS it is above the encryption, because a
// handshake and the closing alert are not part of a request.
type conn struct {
	net.Conn
	written atomic.Int64
}

type dial func(ctx context.Context, network, address string) (net.Conn, error)

func counted(d dial) dial {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := d(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &conn{Conn: c}, nil
	}
}

// secured dials and performs the TLS handshake. The limit applies to the handshake.
func secured(d dial, config *tls.Config, limit time.Duration) dial {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		raw, err := d(ctx, network, address)
		if err != nil {
			return nil, err
		}
		own := config.Clone()
		if own.ServerName == "" {
			own.ServerName, _, _ = net.SplitHostPort(address)
		}
		ctx, cancel := context.WithTimeout(ctx, limit)
		defer cancel()
		c := tls.Client(raw, own)
		if err := c.HandshakeContext(ctx); err != nil {
			_ = raw.Close()
			return nil, err
		}
		return c, nil
	}
}

// Write implements net.Conn. It counts before it writes, so that a concurrent reader does
// not take the bytes for unsent. If no byte was written, as on a closed connection, it
// subtracts them again.
func (c *conn) Write(p []byte) (int, error) {
	c.written.Add(int64(len(p)))
	n, err := c.Conn.Write(p)
	if err != nil && n == 0 {
		c.written.Add(-int64(len(p)))
	}
	return n, err
}

func (c *conn) count() int64 {
	if c == nil {
		return 0
	}
	return c.written.Load()
}

// under finds the counting connection, which is below TLS if a proxy is used.
func under(c net.Conn) *conn {
	for {
		switch layer := c.(type) {
		case *conn:
			return layer
		case interface{ NetConn() net.Conn }:
			c = layer.NetConn()
		default:
			return nil
		}
	}
}
