package process

import (
	"fmt"
	"os"
	"os/user"
	"strconv"

	"msctl.dev/msctl/internal/keeper"
)

// lookup returns whom to run as: nil, who msctl is, unless it is root and name is somebody else.
func lookup(name string) (*keeper.User, error) {
	if name == "" || os.Geteuid() != 0 {
		return nil, nil
	}
	u, err := user.Lookup(name)
	if err != nil {
		return nil, fmt.Errorf("find user %q: %w", name, err)
	}
	uid, err := number(u.Uid)
	if err != nil {
		return nil, err
	}
	gid, err := number(u.Gid)
	if err != nil {
		return nil, err
	}
	out := &keeper.User{UID: uid, GID: gid}
	ids, _ := u.GroupIds() // a user without a list has its own group
	for _, id := range ids {
		if n, err := number(id); err == nil {
			out.Groups = append(out.Groups, n)
		}
	}
	return out, nil
}

func number(id string) (uint32, error) {
	n, err := strconv.ParseUint(id, 10, 32)
	if err != nil {
		return 0, fmt.Errorf("read user id: %w", err)
	}
	return uint32(n), nil
}
