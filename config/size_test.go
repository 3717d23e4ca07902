package config_test

import (
	"testing"

	"patchbay/config/setting"
)

func TestASizeIsInMegabytesOrGigabytes(t *testing.T) {
	t.Parallel()
	for written, want := range map[string]setting.Size{"256MB": 256 << 20, "1GB": 1 << 30, "1024MB": 1 << 30, "1500MB": 1500 << 20, "1024GB": 1 << 40} {
		c, err := load(t, "server: {memory: "+written+"}")
		if err != nil {
			t.Errorf("%s: error = %v, want none", written, err)
			continue
		}
		got := c.Server.Memory
		if got != want {
			t.Errorf("%s = %d, want %d", written, got, want)
		}
		if again, err := load(t, "server: {memory: "+got.String()+"}"); err != nil || again.Server.Memory != got {
			t.Errorf("%s is written as %s, which is read as %v (%v), want the same value", written, got, again, err)
		}
	}
	for _, written := range []string{"0", "256", "256mb", "MB", "-1GB", "1.5GB", "256 MB", "1025GB", "99999999999999999999MB", "''"} {
		mistake{written, "server: {memory: " + written + "}", []string{
			`file:1: server.memory: "` + unquoted(written) + `" is not a size; write for example 256MB or 1GB`,
		}}.check(t)
	}
	mistake{"too little for the largest mail", "server: {memory: 255MB}", []string{
		`file:1: server.memory: 255MB is too little for the largest mail; it must be at least 256MB`,
	}}.check(t)
}
