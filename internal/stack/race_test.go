//go:build race

package stack

// raceDetector says that this test is built with -race.
const raceDetector = true
