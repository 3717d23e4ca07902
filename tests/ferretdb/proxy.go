package main

import (
	"encoding/binary"
	"errors"
	"io"
	"log"
	"net"
	"sync"
)

// maxMessage is the maximum size of a message of the wire protocol.
const maxMessage = 48_000_000

// turn is locked from a request until its reply, for all connections together: concurrent writes of
// FerretDB are not atomic.
var turn sync.Mutex

func serve(l net.Listener, behind string) {
	for {
		client, err := l.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", behind)
		if err != nil {
			log.Print(err)
			_ = client.Close()
			continue
		}
		go func() {
			defer client.Close() //nolint:errcheck // nothing is left to write
			defer server.Close() //nolint:errcheck // nothing is left to write
			if err := relay(client, server); err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) {
				log.Print(err)
			}
		}()
	}
}

// relay passes requests and their replies, one at a time.
func relay(client, server net.Conn) error {
	for {
		request, err := read(client)
		if err != nil {
			return err
		}
		reply, err := exchange(server, request)
		if err != nil {
			return err
		}
		if _, err := client.Write(reply); err != nil {
			return err
		}
	}
}

func exchange(server net.Conn, request []byte) ([]byte, error) {
	turn.Lock()
	defer turn.Unlock()
	if _, err := server.Write(request); err != nil {
		return nil, err
	}
	return read(server)
}

// read reads one message, which begins with its length in four bytes.
func read(r io.Reader) ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	n := binary.LittleEndian.Uint32(head[:])
	if n < 16 || n > maxMessage {
		return nil, errors.New("not a message of the wire protocol")
	}
	message := make([]byte, n)
	copy(message, head[:])
	_, err := io.ReadFull(r, message[4:])
	return message, err
}
