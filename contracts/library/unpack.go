package library

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
)

// unpack returns the library in body: an npm package, a gzip of the library, or the library itself. Nothing
// is written, so no name in an archive can lead anywhere.
func unpack(body []byte, p Place) ([]byte, error) {
	if !bytes.HasPrefix(body, []byte("\x1f\x8b")) {
		return body, nil
	}
	z, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("unpack: %w", err)
	}
	plain, err := bounded(z, maxLibrary)
	if err != nil {
		return nil, fmt.Errorf("unpack: %w", err)
	}
	const magic = 257 // where a tar file says that it is one
	if len(plain) < magic+5 || string(plain[magic:magic+5]) != "ustar" {
		return plain, nil
	}
	return untar(plain, p)
}

func untar(body []byte, p Place) ([]byte, error) {
	r := tar.NewReader(bytes.NewReader(body))
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil, errors.New("unpack: there is no libpact_ffi in it")
		}
		if err != nil {
			return nil, fmt.Errorf("unpack: %w", err)
		}
		name := path.Base(h.Name)
		if h.Typeflag == tar.TypeReg && strings.HasPrefix(name, "libpact_ffi") && path.Ext(name) == path.Ext(p.file()) {
			return io.ReadAll(r)
		}
	}
}
