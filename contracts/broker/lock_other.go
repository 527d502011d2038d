//go:build !unix

package broker

import "os"

// hold opens the file by which others see that the store is open.
func hold(file string) (*os.File, error) { return os.OpenFile(file, os.O_CREATE|os.O_RDWR, 0o600) }
