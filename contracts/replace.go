package contracts

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// Replace writes a file whole, on the disk when it returns, or leaves the old one. Its folder is made where there is
// none, open to those to whom the file is.
func Replace(file string, data []byte, mode fs.FileMode) error {
	dir := filepath.Dir(file)
	if err := os.MkdirAll(dir, 0o700|mode|mode>>2&0o011); err != nil {
		return err
	}
	temp, err := os.CreateTemp(dir, ".new-*")
	if err != nil {
		return err
	}
	defer os.Remove(temp.Name()) // no longer there where all went well
	_, err = temp.Write(data)
	if err = errors.Join(err, temp.Chmod(mode), temp.Sync(), temp.Close()); err != nil {
		return err
	}
	return os.Rename(temp.Name(), file)
}
