package fleet

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"msctl.dev/msctl/internal/driver"
	"msctl.dev/msctl/internal/failpoint"
)

// leftover is what undoes something that was done to a unit, in a file that is there before it is done and
// until it is undone.
type leftover struct {
	Fault     string          `json:"fault"`
	Unit      string          `json:"unit"`
	Container bool            `json:"container,omitempty"`
	Inverse   json.RawMessage `json:"inverse"` // of the driver
}

func leftoverDir(stateDir string) string { return filepath.Join(stateDir, "upsets") }

func (l leftover) path(dir string) string { return filepath.Join(dir, l.Fault+"@"+l.Unit+".json") }

// write puts the file on the disk, whole or not at all.
func (l leftover) write(dir string) error {
	text, err := json.Marshal(l)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("write what undoes it: %w", err)
	}
	temp, err := os.CreateTemp(dir, "*.tmp")
	if err != nil {
		return fmt.Errorf("write what undoes it: %w", err)
	}
	defer os.Remove(temp.Name())
	_, err = temp.Write(text)
	failpoint.Hit("upset-temp")
	if err = errors.Join(err, temp.Sync(), temp.Close()); err == nil {
		err = os.Rename(temp.Name(), l.path(dir))
	}
	if err != nil {
		return fmt.Errorf("write what undoes it: %w", err)
	}
	failpoint.Hit("upset-written")
	return nil
}

// beside returns what undoes what is done to the same unit already, by the same fault or others.
func (l leftover) beside(dir string) (inverses [][]byte, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("find what was done to %s: %w", l.Unit, err)
	}
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), "@"+l.Unit+".json") {
			continue
		}
		path := filepath.Join(dir, e.Name())
		text, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue // somebody heals
		}
		if err != nil {
			return nil, fmt.Errorf("read what undoes it: %w", err)
		}
		var other leftover
		if err := json.Unmarshal(text, &other); err != nil {
			return nil, fmt.Errorf("read %s: %v", path, err)
		}
		if other.Unit == l.Unit && other.Container == l.Container {
			inverses = append(inverses, other.Inverse)
		}
	}
	return inverses, nil
}

// Heal undoes what an earlier supervisor, which was killed, did to units on purpose, and returns to which.
// What cannot be undone now stays for the next time.
func Heal(ctx context.Context, stateDir string, process, container driver.Driver) ([]string, error) {
	dir := leftoverDir(stateDir)
	temps, _ := filepath.Glob(filepath.Join(dir, "*.tmp"))
	for _, torn := range temps {
		os.Remove(torn) // nothing was done yet
	}
	return heal(ctx, dir, "", process, container)
}

// heal undoes what one fault did, or every one.
func heal(ctx context.Context, dir, fault string, process, container driver.Driver) (units []string, err error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("find what was done to units: %w", err)
	}
	var errs []error
	for _, e := range entries {
		of, _, ok := strings.Cut(e.Name(), "@")
		if !ok || !strings.HasSuffix(e.Name(), ".json") || fault != "" && of != fault {
			continue
		}
		unit, err := healOne(ctx, filepath.Join(dir, e.Name()), process, container)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		units = append(units, unit)
	}
	return units, errors.Join(errs...)
}

func healOne(ctx context.Context, path string, process, container driver.Driver) (string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("read what undoes it: %w", err)
	}
	var l leftover
	if err := json.Unmarshal(text, &l); err != nil {
		return "", fmt.Errorf("read %s: %v", path, err)
	}
	by := process
	if l.Container {
		by = container
	}
	d, ok := by.(driver.Upsetter)
	if !ok {
		return "", fmt.Errorf("calm %s: no container engine answers", l.Unit)
	}
	if err := d.Calm(ctx, l.Inverse); err != nil {
		return "", err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("calm %s: %w", l.Unit, err)
	}
	failpoint.Hit("upset-forgotten")
	return l.Unit, nil
}
