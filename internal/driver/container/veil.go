package container

import "msctl.dev/msctl/internal/driver/container/veil"

// This package is initialized after all that it imports: the list of processes may be seen again. It is an
// init because nothing later is early enough; see package veil.
func init() { veil.Lift() }
