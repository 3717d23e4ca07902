package main

import (
	"cmp"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"text/tabwriter"
)

// contractRow is a suite and an adapter that runs it.
type contractRow struct{ suite, adapter string }

// rowOf recognizes the cases of the contract suites by their names: each adapter's package runs
// them as TestContract/<suite>/<case>.
func rowOf(pkg, test string) (contractRow, bool) {
	parts := strings.SplitN(test, "/", 3)
	if len(parts) < 3 || parts[0] != "TestContract" {
		return contractRow{}, false
	}
	return contractRow{suite: parts[1], adapter: path.Base(pkg)}, true
}

func (r *report) printContract() {
	rows := slices.SortedFunc(maps.Keys(r.contract), func(a, b contractRow) int {
		return cmp.Or(cmp.Compare(a.suite, b.suite), cmp.Compare(a.adapter, b.adapter))
	})
	if len(rows) == 0 {
		return
	}
	fmt.Fprintln(r.out)
	table := tabwriter.NewWriter(r.out, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		fmt.Fprintf(table, "contract\t%s\t%s\t%s\n", row.suite, row.adapter, r.contract[row])
	}
	if err := table.Flush(); err != nil {
		fmt.Fprintln(r.out, err)
	}
	fmt.Fprintln(r.out)
}
