package resource

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// staff are those that a server knows beside its resources' users.
var staff = [...]string{admin, "root", "cookie"}

// Passwords returns every password of the server, none of which is to be shown.
func (s Server) Passwords(p Place) []string {
	var names []string
	for _, c := range s.Choices {
		names = append(names, c.Resource.Name)
	}
	return site{s, p}.passwords(names)
}

func (at site) passwords(resources []string) []string {
	var out []string
	for _, who := range append(resources, staff[:]...) {
		out = append(out, at.password(who))
	}
	return out
}

// KeptPasswords returns the passwords of the servers that have data in folder, which is the one of
// [LoadSecret], for resources of these names. They are needed where no plan is made: to show what a
// service printed yesterday. What is there and cannot be read is an error: its passwords cannot be masked.
func KeptPasswords(folder string, resources []string) ([]string, error) {
	key, err := os.ReadFile(filepath.Join(folder, "secret"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read passwords: %w", err)
	}
	out := []string{string(key)}
	servers, err := os.ReadDir(folder)
	if err != nil {
		return out, fmt.Errorf("read passwords: %w", err)
	}
	for _, s := range servers {
		if s.IsDir() {
			at := site{Server{Name: s.Name()}, Place{Secret: string(key)}}
			out = append(out, at.passwords(resources)...)
		}
	}
	return out, nil
}
