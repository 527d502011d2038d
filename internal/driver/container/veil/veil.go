// Package veil hides the machine's process list from testcontainers-go while a program starts.
//
// That library walks all processes in an init of its own, to name its test session: 5 to 35 ms and 5 MB in
// every msctl command, and more the more services run. The name is of no use here. The library it asks looks
// where HOST_PROC points, so that points nowhere until all packages of the container driver are initialized.
//
// Go initializes packages in the order of their import paths, each when those that it imports are done. This
// one imports syscall alone and sorts before os, which everything that walks processes needs: it is first.
package veil

import "syscall"

const key = "HOST_PROC"

// was is what the user had set, and whether.
var was, set = hide()

func hide() (string, bool) {
	v, ok := syscall.Getenv(key)
	_ = syscall.Setenv(key, "/nonexistent")
	return v, ok
}

// Lift puts back what the user had set.
func Lift() {
	if set {
		_ = syscall.Setenv(key, was)
	} else {
		_ = syscall.Unsetenv(key)
	}
}
