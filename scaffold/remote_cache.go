package scaffold

import (
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// fetching begins the name of a folder that a fetch uses while it lasts.
const fetching = "fetch-"

// maxArchive is more than an archive of a template has.
const maxArchive = maxTotal + 1<<20

// file is where the archive of a source is kept. The repository has a part in the name: a commit's id alone is not beyond
// forgery.
func (r Remote) file(s Source) string {
	key := sha256.Sum256([]byte(s.Remote + "\x00" + s.Folder))
	return filepath.Join(r.Cache, fmt.Sprintf("%s-%x.zip", s.Ref, key[:8]))
}

// kept returns the archive of a source that was fetched before.
func (r Remote) kept(s Source) ([]byte, bool) {
	f, err := os.Open(r.file(s))
	if err != nil {
		return nil, false
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxArchive))
	return data, err == nil && sound(data)
}

// keep stores an archive, whole or not at all.
func (r Remote) keep(s Source, data []byte) error {
	tmp, err := os.CreateTemp(r.Cache, fetching+"*.zip")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name()) // gone already when all went well
	_, err = tmp.Write(data)
	if closed := tmp.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return err
	}
	return os.Rename(tmp.Name(), r.file(s))
}

// tidy removes what fetches left that were killed an hour ago or before.
func (r Remote) tidy(now time.Time) {
	left, _ := os.ReadDir(r.Cache)
	for _, one := range left {
		info, err := one.Info()
		if err == nil && strings.HasPrefix(one.Name(), fetching) && now.Sub(info.ModTime()) > time.Hour {
			_ = os.RemoveAll(filepath.Join(r.Cache, one.Name()))
		}
	}
}
