package library

import (
	"debug/elf"
	"debug/macho"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
)

// calls is every function of the library that the pact-go of go.mod calls, one a line.
//
//go:embed symbols.txt
var calls string

// Symbols returns the functions that a library must export.
func Symbols() []string { return strings.Fields(calls) }

// Check reads a library without loading it, and says why it cannot be used here.
func (p Place) Check(file string) error {
	if err := p.fits(file); err != nil {
		return fmt.Errorf("check %s: %w", file, err)
	}
	return nil
}

func (p Place) fits(file string) error {
	if _, err := os.Stat(file); err != nil {
		return errors.Unwrap(err)
	}
	exported, err := p.exported(file)
	if err != nil {
		return err
	}
	var missing []string
	for _, s := range Symbols() {
		if !exported[s] {
			missing = append(missing, s)
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("it lacks %d functions that pact-go calls, such as %s: it is of another version", len(missing), missing[0])
	}
	return nil
}

func (p Place) exported(file string) (map[string]bool, error) {
	if p.OS == "darwin" {
		return p.machO(file)
	}
	return p.elf(file)
}

func (p Place) elf(file string) (map[string]bool, error) {
	f, err := elf.Open(file)
	if err != nil {
		return nil, fmt.Errorf("it is no library of Linux: %w", err)
	}
	defer f.Close()
	machines := map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64}
	if f.Machine != machines[p.Arch] || f.Type != elf.ET_DYN {
		return nil, fmt.Errorf("it is made for %s, not for %s", f.Machine, p.Arch)
	}
	libs, err := f.ImportedLibraries()
	if err != nil {
		return nil, fmt.Errorf("read its libraries: %w", err)
	}
	if slices.Contains(libs, "libc.so") != p.Musl {
		return nil, errors.New("it is made for another C library (musl or glibc)")
	}
	symbols, err := f.DynamicSymbols()
	if err != nil {
		return nil, fmt.Errorf("read its symbols: %w", err)
	}
	out := map[string]bool{}
	for _, s := range symbols {
		if s.Section != elf.SHN_UNDEF {
			out[s.Name] = true
		}
	}
	return out, nil
}

func (p Place) machO(file string) (map[string]bool, error) {
	f, err := macho.Open(file)
	if err != nil {
		return nil, fmt.Errorf("it is no library of macOS: %w", err)
	}
	defer f.Close()
	machines := map[string]macho.Cpu{"amd64": macho.CpuAmd64, "arm64": macho.CpuArm64}
	if f.Cpu != machines[p.Arch] {
		return nil, fmt.Errorf("it is made for %s, not for %s", f.Cpu, p.Arch)
	}
	out := map[string]bool{}
	if f.Symtab == nil {
		return out, nil
	}
	const undefined = 0x0e // N_TYPE: its value 0 says that the symbol is elsewhere
	for _, s := range f.Symtab.Syms {
		if s.Type&undefined != 0 {
			out[strings.TrimPrefix(s.Name, "_")] = true
		}
	}
	return out, nil
}
