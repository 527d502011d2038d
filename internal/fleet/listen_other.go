//go:build !linux

package fleet

import "errors"

// portTable is known on Linux only.
type portTable struct{}

func openTable() (*portTable, error) { return nil, errors.New("open socket table: not on this system") }

func (t *portTable) close() {}

func (t *portTable) read(func(port int)) error { return nil }
