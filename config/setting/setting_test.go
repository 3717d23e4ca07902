package setting_test

import (
	"testing"

	"patchbay/config/setting"
)

func TestLoopbackRecognizesAddressesOfThisMachine(t *testing.T) {
	t.Parallel()
	// What is in doubt is not loopback: then keys are asked for.
	for address, want := range map[string]bool{
		"127.0.0.1:8080": true, "127.8.9.1:1": true, "[::1]:8080": true, "localhost:8080": true, "[::ffff:127.0.0.1]:80": true,
		"0.0.0.0:8080": false, "[::]:8080": false, ":8080": false, "10.0.0.1:80": false, "192.168.1.2:80": false,
		"example.com:80": false, "localhost.example.com:80": false, "127.0.0.1.example.com:80": false, "127.1:80": false,
		"2130706433:80": false, "127.0.0.1": false, "localhost": false, "::1": false, "": false, "[::1%lo]:80": false,
	} {
		if got := setting.Loopback(address); got != want {
			t.Errorf("Loopback(%q) = %t, want %t", address, got, want)
		}
	}
}
