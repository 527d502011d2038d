//go:build !linux

package cli

// unmapProgram does nothing: other systems take clean pages back by themselves.
func unmapProgram() error { return nil }
