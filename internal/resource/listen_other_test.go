//go:build !linux

package resource_test

import "testing"

// loopbackOnly needs /proc.
func loopbackOnly(*testing.T, int) {}

// marked needs /proc.
func marked(*testing.T, int) {}
