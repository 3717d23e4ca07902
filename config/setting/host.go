package setting

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// localNames are the names that resolvers and the usual file /etc/hosts give to this machine.
// Every name below localhost is one, too: RFC 6761, section 6.3.
var localNames = []string{
	"localhost", "localhost.localdomain", "localhost4", "localhost4.localdomain4", "localhost6", "localhost6.localdomain6",
	"ip6-localhost", "ip6-loopback",
}

// localHost reports whether a host of a URL may be this machine, in any form that a resolver
// accepts. A name that only DNS or the machine's own files can tell is not. Unlike Loopback it
// counts what is in doubt as local, and must not decide whether a secret may be sent.
func localHost(host string) bool {
	name := strings.TrimSuffix(strings.ToLower(host), ".")
	if slices.Contains(localNames, name) || strings.HasSuffix(name, ".localhost") {
		return true
	}
	ip, err := netip.ParseAddr(name)
	if err != nil {
		ip = numericAddress(name)
	}
	ip = ip.WithZone("").Unmap()
	return ip.IsLoopback() || ip.IsUnspecified() // to connect to 0.0.0.0 or :: reaches this machine
}

// numericAddress parses an IPv4 address as inet_aton does: one to four numbers, each decimal,
// octal (0177) or hexadecimal (0x7f), of which the last fills the remaining bytes. It returns
// the zero Addr for anything else.
func numericAddress(host string) netip.Addr {
	parts := strings.Split(host, ".")
	if len(parts) > 4 {
		return netip.Addr{}
	}
	var address uint64
	for i, part := range parts {
		bits := 8
		if i == len(parts)-1 {
			bits = 32 - 8*i
		}
		if strings.ContainsFunc(strings.TrimPrefix(part, "0x"), notHexadecimal) || strings.HasPrefix(part, "0b") { // ParseUint takes _, 0o and 0b, too
			return netip.Addr{}
		}
		number, err := strconv.ParseUint(part, 0, bits)
		if err != nil {
			return netip.Addr{}
		}
		address = address<<bits | number
	}
	return netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, uint32(address))))
}

func notHexadecimal(r rune) bool { return !strings.ContainsRune("0123456789abcdef", r) }
