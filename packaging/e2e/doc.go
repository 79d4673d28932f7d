// Package e2e runs the whole product for tests: an aggregator and agents as real
// processes, real peers, and faults done to them from outside (signals, cut
// cables, stopped databases, full disks). It is here because only packaging may
// know both sides. Everything listens on loopback and ends with the test.
//
// A test binary that uses it calls [Main] from TestMain. LINEWATCH_BIN names a
// folder with ready programs; without it they are built once per test process.
// LINEWATCH_SOAK=1 makes the same tests longer.
package e2e
