package table

import (
	"context"
	"database/sql"
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3"

	"patchbay/core/fault"
)

// Migrate brings the tables of a store up to date. scripts has a directory migrations; its first
// script makes the tables of a new store. versions is the table that records which scripts were
// executed.
//
// Invalid with code store_newer: the tables were made by a newer program; with code store_older:
// they are older than First, and no script changes them.
func Migrate(ctx context.Context, dialect goose.Dialect, db *sql.DB, scripts fs.FS, versions string) error {
	dir, err := fs.Sub(scripts, "migrations")
	if err != nil {
		return err
	}
	p, err := goose.NewProvider(dialect, db, dir, goose.WithTableName(versions))
	if err != nil {
		return err
	}
	stored, err := p.GetDBVersion(ctx)
	if err != nil {
		return err
	}
	sources := p.ListSources()
	if newest := sources[len(sources)-1].Version; stored > newest || stored > 0 && stored < First {
		return WrongVersion(stored, newest)
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
