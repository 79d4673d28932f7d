package journal

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/linewatch/linewatch/agent/source"
	"github.com/linewatch/linewatch/shared/event"
)

const smallDiskVariable = "LINEWATCH_SMALL_DISK"

// onSmallDisk runs the calling test again in a process that has a mount
// namespace of its own, with a tmpfs of size MiB, and returns its folder there;
// in the first process it returns "" after the second one passed.
func onSmallDisk(t *testing.T, size string) string {
	t.Helper()
	if dir := os.Getenv(smallDiskVariable); dir != "" {
		require.NoError(t, unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""))
		require.NoError(t, unix.Mount("tmpfs", dir, "tmpfs", 0, "size="+size))
		return dir
	}
	exe, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(exe, "-test.run=^"+t.Name()+"$", "-test.v", "-test.count=1")
	cmd.Env = append(os.Environ(), smallDiskVariable+"="+t.TempDir())
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWNS | syscall.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "needs user and mount namespaces:\n%s", out)
	require.Contains(t, string(out), "--- PASS: "+t.Name())
	return ""
}

func TestAFullDiskKeepsTheSecurityClassAndTheRestIsCountedInTheRecord(t *testing.T) {
	disk := onSmallDisk(t, "24m")
	if disk == "" {
		return
	}
	o := options(t, func(o *Options) {
		o.Dir, o.MaxFile, o.Ballast = filepath.Join(disk, "journal"), 4<<20, 4<<20
	})
	j := open(t, o)
	mustAppend(t, j, leaves(event.Manufacturing, 0, 100))

	// Somebody else fills the disk.
	hog := filepath.Join(disk, "hog")
	fillDisk(t, hog)
	refused, n := uint64(0), 100
	for refused == 0 {
		out, err := j.Append(t.Context(), leaves(event.Manufacturing, n, 500), nil)
		require.NoError(t, err, "refused readings are acknowledged")
		refused += out.Refused[event.Manufacturing]
		n += 500
		require.Less(t, n, 200_000)
	}
	// The security class goes on, and its positions with it.
	for i := range 20 {
		at := source.Position{Source: "s", Set: map[string][]byte{"i": {byte(i)}}}
		out, err := j.Append(t.Context(), append(leaves(event.Security, i*10, 10), leaf(event.Debug, i)), []source.Position{at})
		require.NoError(t, err)
		require.Equal(t, map[event.Class]uint64{event.Debug: 1}, out.Refused)
	}
	require.NoFileExists(t, filepath.Join(o.Dir, "ballast"))
	require.EqualValues(t, 20, j.Refused()[event.Debug])

	// Until its reserve is used up too: then nothing is acknowledged any more.
	var err error
	for i := 200; err == nil; i += 500 {
		_, err = j.Append(t.Context(), leaves(event.Security, i, 500), nil)
		require.Less(t, i, 200_000)
	}
	require.True(t, errors.Is(err, ErrFull), "%v", err)
	st, statErr := j.Stat(t.Context())
	require.NoError(t, statErr)
	require.Equal(t, "full", st.Disk)

	// The disk is freed.
	require.NoError(t, os.Remove(hog))
	require.Eventually(t, func() bool {
		out, err := j.Append(t.Context(), leaves(event.Manufacturing, n, 1), nil)
		return err == nil && len(out.Refused) == 0
	}, 10*time.Second, 100*time.Millisecond)
	require.NoError(t, j.Close())
	j = open(t, o)
	require.Equal(t, []byte{19}, j.Positions("s")["i"])
	g := gaps(t, j, o)
	require.NotEmpty(t, g)
	require.Equal(t, "disk_full", g[0]["cause"])
	lost := g[0]["lost"].(map[string]any)
	require.GreaterOrEqual(t, lost["manufacturing"].(float64), float64(refused))
	require.Equal(t, float64(20), lost["debug"])
	require.FileExists(t, filepath.Join(o.Dir, "ballast"))
	reports, err := j.Verify(t.Context(), nil)
	require.NoError(t, err)
	for _, r := range reports {
		require.Empty(t, r.Error, r.Name)
	}
	for _, l := range j.Logs() {
		require.Equal(t, stateActive, l.State, "a full disk needs no successor")
	}
}

// fillDisk takes all but a few pages of a disk.
func fillDisk(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	require.NoError(t, err)
	for block := 1 << 20; block >= 4096; {
		if _, err := f.Write(make([]byte, block)); err != nil {
			require.ErrorIs(t, err, syscall.ENOSPC)
			block /= 2
		}
	}
	require.NoError(t, f.Close())
}

func TestAJournalOpensAndRecordsSecurityOnADiskThatIsFullAlready(t *testing.T) {
	disk := onSmallDisk(t, "16m")
	if disk == "" {
		return
	}
	o := options(t, func(o *Options) {
		o.Dir, o.MaxFile, o.Ballast = filepath.Join(disk, "journal"), 4<<20, 2<<20
	})
	j := open(t, o)
	mustAppend(t, j, leaves(event.Security, 0, 10))
	require.NoError(t, j.Close())
	fillDisk(t, filepath.Join(disk, "hog"))
	j = open(t, o)
	mustAppend(t, j, leaves(event.Security, 10, 10))
	got := numbersOf(t, j, logOf(t, j, event.Security), o)
	require.Len(t, got, 20)
}

// Two misfortunes at once: what is left of the disk is the ballast, and that is
// what it is for.
func TestAJournalWhoseNewestFileIsLostOpensOnAFullDisk(t *testing.T) {
	disk := onSmallDisk(t, "16m")
	if disk == "" {
		return
	}
	o := options(t, func(o *Options) {
		o.Dir, o.MaxFile, o.Ballast = filepath.Join(disk, "journal"), 1<<20, 4<<20
	})
	j := open(t, o)
	for n := 0; len(j.files) < 3; n += 50 {
		mustAppend(t, j, leaves(event.Security, n, 50))
	}
	newest := j.files[2].path
	require.NoError(t, j.Close())
	require.NoError(t, os.Remove(newest))
	fillDisk(t, filepath.Join(disk, "hog"))
	j = open(t, o)
	mustAppend(t, j, leaves(event.Security, 100_000, 10))
	require.NotEmpty(t, gaps(t, j, o))
	got := numbersOf(t, j, logOf(t, j, event.Security), o)
	require.Equal(t, 1, got[100_009])
	require.Equal(t, 1, got[0], "the closed files were copied into the successor")
}
