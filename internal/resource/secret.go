package resource

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// LoadSecret returns the random secret kept in folder, and makes it the first time. It is what the
// passwords of the servers in that folder are derived from; without the folder, both are gone.
func LoadSecret(folder string) (string, error) {
	file := filepath.Join(folder, "secret")
	for range 2 {
		if b, err := os.ReadFile(file); err == nil && len(b) >= 32 {
			return string(b), nil
		}
		if err := makeSecret(folder, file); err != nil {
			return "", fmt.Errorf("make secret: %w", err)
		}
	}
	return "", fmt.Errorf("read secret %s: it is damaged", file)
}

// makeSecret links a complete file to its name, so that of two at once one wins and both read the same.
func makeSecret(folder, file string) error {
	if err := makePrivate(folder); err != nil {
		return err
	}
	tmp, err := os.CreateTemp(folder, ".secret-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	if info, err := os.Stat(file); err == nil && info.Size() < 32 {
		os.Remove(file) // a crash or a full disk left a torn one
	}
	_, err = tmp.WriteString(rand.Text() + rand.Text())
	if cerr := tmp.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return err
	}
	if err := os.Link(tmp.Name(), file); err != nil && !os.IsExist(err) {
		return err
	}
	return nil
}

// password derives the password of someone on this server: the same at every start, another one in
// every stack.
func (at site) password(who string) string {
	key := at.Secret
	if key == "" {
		key = at.Stack
	}
	mac := hmac.New(sha256.New, []byte(key))
	fmt.Fprintf(mac, "%s\x00%s", at.Name, who)
	return hex.EncodeToString(mac.Sum(nil))[:32]
}

// volume names the engine's volume that holds the server's data; the driver puts the stack's id before
// it. A new secret means a new volume: the old one's passwords are not known any more.
func (at site) volume() string { return at.Name + "-" + at.password("volume")[:8] }

// admin is the user that msctl itself is on a server.
const admin = "msctl_admin"

// sqlName makes a resource's name one that every SQL server takes unquoted for a database and a user.
func sqlName(resource string) string {
	name := strings.ReplaceAll(resource, "-", "_")
	switch {
	case strings.HasPrefix(name, "pg_"), strings.HasPrefix(name, "msctl_"):
		return "app_" + name
	}
	switch name {
	case "template0", "template1", "postgres", "public", "none", "user", "root", "mysql", "sys", "admin", "local",
		"config", "information_schema", "performance_schema":
		return "app_" + name
	}
	return name
}

// mysqlName is sqlName within the 32 characters that MySQL allows for a user; a longer one ends in a hash.
func mysqlName(resource string) string {
	name := sqlName(resource)
	if len(name) <= 32 {
		return name
	}
	id := sha256.Sum256([]byte(resource))
	return name[:23] + "_" + hex.EncodeToString(id[:4])
}

// mysqlPattern makes a name mean itself where GRANT takes a pattern.
func mysqlPattern(name string) string { return strings.ReplaceAll(name, "_", `\_`) }
