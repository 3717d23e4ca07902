package sqlitestore

import (
	"sync/atomic"
	"testing"

	"modernc.org/sqlite"
)

// CountCommits counts the commits from now on.
func (s *Store) CountCommits(t testing.TB) *atomic.Int64 {
	t.Helper()
	var commits atomic.Int64
	err := s.writer.conn.Raw(func(c any) error {
		c.(sqlite.HookRegisterer).RegisterCommitHook(func() int32 {
			commits.Add(1)
			return 0 // commit
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return &commits
}
