//go:build !failpoint

package keeper

// hit marks a point at which a test build dies, see fail_on.go.
func hit(string) {}
