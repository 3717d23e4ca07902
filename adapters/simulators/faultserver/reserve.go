package faultserver

import (
	"context"
	"errors"
	"net"
	"strconv"
	"syscall"
	"time"
)

// copiesLast is longer than a process that is being started has copies of this one's files.
const copiesLast = 10 * time.Second

// Listen listens on an address that Reserve has bound. Until a process that this one starts executes its
// program it has a copy of each open file, also of a listener that is closed here meanwhile: then Listen
// tries again.
func Listen(ctx context.Context, address string) (net.Listener, error) {
	for began := time.Now(); ; {
		l, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
		if !errors.Is(err, syscall.EADDRINUSE) || time.Since(began) > copiesLast {
			return l, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(time.Millisecond):
		}
	}
}

// Reserve binds a free loopback port without listening on it, so that no other process gets the
// port while connections are refused.
func Reserve() (address string, release func(), err error) {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		return "", nil, err
	}
	syscall.CloseOnExec(fd)
	release = func() { _ = syscall.Close(fd) }
	defer func() {
		if err != nil {
			release()
		}
	}()
	// SO_REUSEADDR lets two sockets have the same address as long as only one of them listens.
	if err := syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1); err != nil {
		return "", nil, err
	}
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return "", nil, err
	}
	bound, err := syscall.Getsockname(fd)
	if err != nil {
		return "", nil, err
	}
	port := bound.(*syscall.SockaddrInet4).Port
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), release, nil
}
