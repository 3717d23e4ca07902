package config_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"patchbay/config"
	"patchbay/config/setting"
)

// The brief's own form, number of milliseconds included.
func TestADatabaseInSingleSettings(t *testing.T) {
	t.Parallel()
	for text, idle := range map[string]time.Duration{"30000": 30 * time.Second, "45s": 45 * time.Second} {
		file := filepath.Join(t.TempDir(), "patchbay.yaml")
		written := `
storage: {provider: main}
providers:
  main:
    type: postgres
    host: db.example.com
    port: 5433
    database: shop
    username: patchbay
    password: "${DB_PASSWORD}"
    ssl: true
    pool: {min: 1, max: 9, idle: ` + text + `}
`
		if err := os.WriteFile(file, []byte(written), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := config.Load(file, []string{"DB_PASSWORD=canary"}, types())
		if err != nil {
			t.Fatal(err)
		}
		d := c.Provider["main"].Settings.(*setting.Database)
		if d.Host != "db.example.com" || d.Port != 5433 || d.Database != "shop" || d.Username != "patchbay" || d.Password.Reveal() != "canary" ||
			!d.SSL || d.Pool != (setting.Pool{Min: 1, Max: 9, Idle: setting.Idle(idle)}) {
			t.Errorf("settings = %+v, want those of the file", d)
		}
		secure, err := d.TLS()
		if err != nil || secure.ServerName != "db.example.com" || secure.InsecureSkipVerify {
			t.Errorf("TLS = %+v, %v, want verification of db.example.com", secure, err)
		}
	}
}
