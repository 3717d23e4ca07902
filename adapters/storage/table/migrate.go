package table

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3"

	"patchbay/core/fault"
)

// Found is what is in a database before a store is opened in it. It is read without a change to
// the database.
type Found struct {
	Version int64 // of the scripts that were executed; 0 for none
	Tables  bool  // whether there are tables, or names of tables, that the scripts would make
}

// Check decides whether the database may be written to. The decision comes before any write,
// because a database that is refused must stay as it is. existing means that the store must
// exist.
//
// NotFound with code no_store: there is none, and it must exist. Invalid with code store_newer:
// the tables were made by a newer program; with code store_older: they are older than First, and
// no script changes them; with code store_foreign: another program made them.
func (f Found) Check(scripts fs.FS, existing bool) error {
	newest, err := newestScript(scripts)
	switch {
	case err != nil:
		return err
	case f.Version > newest || f.Version > 0 && f.Version < First:
		return WrongVersion(f.Version, newest)
	case f.Version == 0 && f.Tables:
		return ErrForeign
	case f.Version == 0 && existing:
		return ErrNoStore
	}
	return nil
}

// newestScript returns the highest version of the scripts.
func newestScript(scripts fs.FS) (newest int64, err error) {
	names, err := fs.Glob(scripts, "migrations/*.sql")
	for _, name := range names {
		version, nameErr := goose.NumericComponent(name)
		newest, err = max(newest, version), errors.Join(err, nameErr)
	}
	return newest, err
}

// Migrate brings the tables of a store that Found.Check has accepted up to date. scripts has a
// directory migrations; its first script makes the tables of a new store. versions is the table
// that records which scripts were executed.
func Migrate(ctx context.Context, dialect goose.Dialect, db *sql.DB, scripts fs.FS, versions string) error {
	dir, err := fs.Sub(scripts, "migrations")
	if err != nil {
		return err
	}
	p, err := goose.NewProvider(dialect, db, dir, goose.WithTableName(versions))
	if err != nil {
		return err
	}
	_, err = p.Up(ctx)
	return err
}

// First is the lowest version of a store that is opened. lastToMigrate is the commit of the last
// program that brings older ones to it.
const (
	First         = 4
	lastToMigrate = "86a7f45"
)

// WrongVersion returns the error of opening a store whose version is above newest or below First.
func WrongVersion(stored, newest int64) error {
	if stored > newest {
		return fault.New(fault.Invalid, "store_newer", fmt.Sprintf(
			"the database has version %d, this program knows only up to %d: run a newer program", stored, newest))
	}
	return fault.New(fault.Invalid, "store_older", fmt.Sprintf(
		"the database has version %d, and this program opens none below %d: start the program of commit %s on it once", stored, First, lastToMigrate))
}
