// Package bench measures the whole product as real processes, each figure beside
// its limit in the same run: how long an event takes from a machine to the
// database and to the screen, how many go through and what they cost, how much
// memory an agent holds. It also knows the budgets and turns the output of
// `go test -bench` into the table of docs/performance.md, see [Table].
//
// `make bench` runs it together with the benchmarks of the packages. Each
// benchmark here measures once whatever -benchtime says, for its own seconds.
package bench
