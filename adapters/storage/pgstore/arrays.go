package pgstore

import "fmt"

// arrays returns the values of some rows as arrays, one for each column, which a statement
// unnests.
func arrays[R any](rows []R, values func(R) []any) []any {
	all := make([][]any, len(rows))
	for i, r := range rows {
		all[i] = values(r)
	}
	var like []any // says which types the columns have
	if len(rows) > 0 {
		like = all[0]
	} else {
		var none R
		like = values(none)
	}
	args := make([]any, len(like))
	for i, one := range like {
		switch one.(type) {
		case string:
			args[i] = column[string](all, i)
		case *string:
			args[i] = column[*string](all, i)
		case int64:
			args[i] = column[int64](all, i)
		case bool:
			args[i] = column[bool](all, i)
		case []byte:
			args[i] = column[[]byte](all, i)
		default: // a programming error, found by any test
			panic(fmt.Sprintf("pgstore: a column of type %T", one))
		}
	}
	return args
}

func column[T any](rows [][]any, i int) []T {
	values := make([]T, len(rows))
	for n, row := range rows {
		values[n] = row[i].(T)
	}
	return values
}
