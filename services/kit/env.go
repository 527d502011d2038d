package kit

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Env looks up one variable of the environment; "" is one that is not set.
type Env func(name string) string

// EnvMap is an Env of fixed values.
func EnvMap(values map[string]string) Env {
	return func(name string) string { return values[name] }
}

// Or returns the variable, or other where it is not set.
func (e Env) Or(name, other string) string {
	if v := e(name); v != "" {
		return v
	}
	return other
}

// Int returns the variable as a whole number, or other where it is not set.
func (e Env) Int(name string, other int) (int, error) {
	v := e(name)
	if v == "" {
		return other, nil
	}
	n, err := strconv.Atoi(v)
	if err != nil {
		return 0, fmt.Errorf("read %s: %q is not a whole number", name, v)
	}
	return n, nil
}

// Duration returns the variable, such as "1.5s", or other where it is not set.
func (e Env) Duration(name string, other time.Duration) (time.Duration, error) {
	v := e(name)
	if v == "" {
		return other, nil
	}
	d, err := time.ParseDuration(v)
	if err != nil {
		return 0, fmt.Errorf("read %s: %q is not a duration such as 1.5s", name, v)
	}
	return d, nil
}

// URL returns the address of a resource or service: of "users-db" that is USERS_DB_URL.
func (e Env) URL(name string) (string, error) {
	key := strings.ToUpper(strings.ReplaceAll(name, "-", "_")) + "_URL"
	v := e(key)
	if v == "" {
		return "", fmt.Errorf("read %s: not set", key)
	}
	return v, nil
}
