package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// bombSlots bounds a bomb: so many processes of it live at a time, and no more.
const bombSlots = 60

// bombLife bounds it further: a bomb that nobody can end ends by itself.
const bombLife = 20 * time.Second

// bomb starts itself again and again, each in a session of its own that ignores signals, in place of those
// that are killed. Each holds the lock of one file in the folder while it lives, which the kernel takes
// back with it; without a free one nothing is started.
func bomb(dir string) {
	ignore()
	for i := range bombSlots { // made before any is removed: none is made twice
		if f, err := os.OpenFile(filepath.Join(dir, fmt.Sprint(i)), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600); err == nil {
			f.Close()
		}
	}
	fmt.Println("ready", os.Getpid())
	os.Setenv("GOMAXPROCS", "1")
	for begun := bombBegun(); time.Since(begun) < bombLife; {
		time.Sleep(10 * time.Millisecond)
		if slot := freeSlot(dir); slot != nil {
			c := exec.Command(os.Args[0], "bomb", dir)
			c.ExtraFiles = []*os.File{slot}
			c.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
			if c.Start() == nil {
				go c.Wait()
			}
			slot.Close()
		}
	}
}

// bombBegun returns when the first of the bomb began.
func bombBegun() time.Time {
	if n, err := strconv.ParseInt(os.Getenv("BOMB_BEGUN"), 10, 64); err == nil {
		return time.Unix(n, 0)
	}
	now := time.Now()
	os.Setenv("BOMB_BEGUN", strconv.FormatInt(now.Unix(), 10))
	return now
}

// freeSlot tries any one of the slots.
func freeSlot(dir string) *os.File {
	f, err := os.OpenFile(filepath.Join(dir, fmt.Sprint(rand.IntN(bombSlots))), os.O_RDWR, 0)
	if err != nil {
		return nil
	}
	if syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) != nil {
		f.Close()
		return nil
	}
	return f
}
