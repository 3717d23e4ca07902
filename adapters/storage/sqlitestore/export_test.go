package sqlitestore

// Commits returns the number of commits since the store was opened: far fewer than writes
// if many arrive at once.
func (s *Store) Commits() int64 { return s.writer.commits.Load() }
