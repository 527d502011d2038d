//go:build !failpoint

// Package failpoint marks the points at which a test build can be made to die as if it was killed there, so
// that a test sweeps them one by one. In any other build they are nothing.
package failpoint

// Hit marks a point.
func Hit(string) {}
