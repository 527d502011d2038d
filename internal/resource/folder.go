package resource

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// owner is who owns a server's files. The zero value is whoever runs msctl.
type owner struct {
	name     string
	uid, gid int
}

// ownerOf returns the unprivileged owner for a user's name, "" being the one who runs msctl.
func ownerOf(name string) (owner, error) {
	if name == "" {
		return owner{}, nil
	}
	u, err := user.Lookup(name)
	if err != nil {
		return owner{}, err
	}
	uid, err := strconv.Atoi(u.Uid)
	if err != nil {
		return owner{}, err
	}
	gid, err := strconv.Atoi(u.Gid)
	return owner{name: name, uid: uid, gid: gid}, err
}

// own gives a file to its owner. Only root can, and only root needs to.
func (o owner) own(path string) error {
	if o.name == "" {
		return nil
	}
	return os.Lchown(path, o.uid, o.gid)
}

// attr makes a command run as the owner, in a process group of its own.
func (o owner) attr() *syscall.SysProcAttr {
	a := &syscall.SysProcAttr{Setpgid: true}
	if o.name != "" {
		a.Credential = &syscall.Credential{Uid: uint32(o.uid), Gid: uint32(o.gid), Groups: []uint32{}}
	}
	return a
}

// owner is who runs this server.
func (at site) owner() (owner, error) { return ownerOf(at.choice().User) }

// makeFolder makes the recipe's folder, open to nobody but the server's owner. A native server with an
// owner of its own must be able to pass the folders above, of which msctl's own are opened for that.
func (at site) makeFolder() error {
	o, err := at.owner()
	if err != nil {
		return err
	}
	if err := makePrivate(at.folder()); err != nil {
		return err
	}
	if o.name == "" {
		return nil
	}
	if err := o.own(at.folder()); err != nil {
		return err
	}
	return openPath(filepath.Dir(at.folder()), o)
}

// makePrivate makes a folder, and those above that lack, for its owner alone.
func makePrivate(dir string) error { return os.MkdirAll(dir, 0o700) }

// openPath lets others pass (not list) dir and the folders above it that msctl made, up to .msctl. One
// further up that is closed is the user's to open.
func openPath(dir string, o owner) error {
	ours := strings.Contains(dir+"/", "/.msctl/")
	for d := dir; d != filepath.Dir(d); d = filepath.Dir(d) {
		info, err := os.Stat(d)
		if err != nil {
			return err
		}
		if mode := info.Mode().Perm(); mode&0o001 == 0 {
			if d != dir && !ours {
				return fmt.Errorf("%s may not enter %s: chmod o+x it, or choose another runtime", o.name, d)
			}
			if err := os.Chmod(d, mode|0o011); err != nil {
				return err
			}
		}
		if filepath.Base(d) == ".msctl" {
			ours = false
		}
	}
	return nil
}

// writeFile replaces a file at once, readable by its owner alone.
func writeFile(path string, content []byte, o owner) error {
	tmp := path + ".new"
	if err := os.WriteFile(tmp, content, 0o600); err != nil {
		return err
	}
	if err := o.own(tmp); err != nil {
		return err
	}
	return os.Rename(tmp, path)
}

// exists reports whether there is something at path.
func exists(path string) (bool, error) {
	_, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}
