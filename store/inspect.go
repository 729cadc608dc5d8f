package store

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Pebble's log and manifest are sequences of chunks in blocks of 32 KiB:
//
//	checksum 4, length 2, type 1 | manifest: 1 full, 2 first, 3 middle, 4 last
//	then: log number 4           | log: types 5 to 8 have this
//	then: sync offset 8          | log: types 9 to 12 have both
//
// The sync offset says how much of the file was on disk when the chunk was
// written. Pebble takes the first chunk that makes no sense for the end, unless
// a later block proves it wrong. That forgives too much: here every chunk behind
// it is asked, and the witness too.
const (
	blockSize   = 32 << 10
	chunkHeader = 7
	logHeader   = chunkHeader + 4
	syncHeader  = logHeader + 8
	firstLog    = 5
	firstSync   = 9
	lastType    = 12
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// checksum is the masked CRC that pebble's files have.
func checksum(b []byte) uint32 {
	c := crc32.Checksum(b, castagnoli)
	return (c>>15 | c<<17) + 0xa282ead8
}

// A chunk is one piece of a log or manifest.
type chunk struct {
	typ    byte
	log    uint32
	synced uint64 // sync offset
	size   int    // with its header
}

// parseChunk returns the chunk that b begins with, if it is a sound one.
func parseChunk(b []byte) (chunk, bool) {
	if len(b) < chunkHeader {
		return chunk{}, false
	}
	c := chunk{typ: b[6], size: chunkHeader + int(binary.LittleEndian.Uint16(b[4:]))}
	header := chunkHeader
	switch {
	case c.typ == 0 || c.typ > lastType:
		return c, false
	case c.typ >= firstSync:
		header = syncHeader
	case c.typ >= firstLog:
		header = logHeader
	}
	c.size += header - chunkHeader
	if c.size > len(b) || checksum(b[6:c.size]) != binary.LittleEndian.Uint32(b) {
		return c, false
	}
	if header >= logHeader {
		c.log = binary.LittleEndian.Uint32(b[7:])
	}
	if header >= syncHeader {
		c.synced = binary.LittleEndian.Uint64(b[11:])
	}
	return c, true
}

// inspection looks at the files of a closed store, and changes none.
type inspection struct {
	fs    vfs.FS
	dir   string
	known map[string]int64
}

// file returns an error if the named log or manifest is damaged. number is what
// the chunks of a log must carry.
func (in inspection) file(name string, number uint32) error {
	f, err := in.fs.Open(in.fs.PathJoin(in.dir, name))
	if err != nil {
		return err
	}
	data, err := io.ReadAll(f)
	if err = firstError(err, f.Close()); err != nil {
		return err
	}
	known := in.known[name]
	if int64(len(data)) < known {
		return fmt.Errorf("%w: %s has %d bytes, but %d were written", ErrDamaged, name, len(data), known)
	}
	end, whole := soundUntil(data, number)
	if int64(end) < known && !whole {
		return fmt.Errorf("%w: %s at byte %d", ErrDamaged, name, end)
	}
	if !whole && number != 0 && provenWrong(data, end, number) {
		return fmt.Errorf("%w: %s at byte %d", ErrDamaged, name, end)
	}
	return nil
}

// soundUntil returns where the sound chunks end, and whether that is the end that
// was meant: the end of the file or, in a log, the mark of its end.
func soundUntil(data []byte, number uint32) (end int, whole bool) {
	for end < len(data) {
		block := data[end:min(len(data), end-end%blockSize+blockSize)]
		c, ok := parseChunk(block)
		switch {
		case number != 0 && isTrailer(block, number):
			return end, true
		case ok && c.log == number:
			end += c.size
		case len(block) < syncHeader && (end+len(block))%blockSize == 0 && strings.Trim(string(block), "\x00") == "":
			end += len(block) // the rest of a block has no room for a chunk
		default:
			return end, false
		}
	}
	return end, true
}

// provenWrong reports whether something behind the byte at bad, where a log seems
// to end, says that it went on: the mark of the end, or a chunk that was written
// when that byte was on disk.
func provenWrong(data []byte, bad int, number uint32) bool {
	for at := bad + 1; at+logHeader <= len(data); at++ {
		block := data[at:min(len(data), at-at%blockSize+blockSize)]
		if isTrailer(block, number) {
			return true
		}
		if t := data[at+6]; t < firstSync || t > lastType || binary.LittleEndian.Uint32(data[at+7:]) != number {
			continue
		}
		if c, ok := parseChunk(block); ok && c.synced > uint64(bad) {
			return true
		}
	}
	return false
}

// isTrailer reports whether b begins with what ends a log that was closed: the
// header of a chunk with no checksum and no length that has the next log's number.
func isTrailer(b []byte, number uint32) bool {
	return len(b) >= logHeader && binary.LittleEndian.Uint32(b) == 0 && binary.LittleEndian.Uint16(b[4:]) == 0 &&
		b[6] == firstLog && binary.LittleEndian.Uint32(b[7:]) == number+1
}

// run returns an error if a log or the current manifest is damaged, or if there is
// no manifest.
func (in inspection) run(names []string) error {
	for name := range in.known {
		if strings.HasSuffix(name, ".log") && !slices.Contains(names, name) {
			return fmt.Errorf("%w: %s is missing", ErrDamaged, name)
		}
	}
	manifest := ""
	for _, name := range names {
		// marker.manifest.000002.MANIFEST-000005: the greatest number counts.
		if m, ok := strings.CutPrefix(name, "marker.manifest."); ok && m > manifest {
			manifest = m
		}
		number, isLog := strings.CutSuffix(name, ".log")
		if n, err := strconv.ParseUint(number, 10, 64); isLog && err == nil {
			if err := in.file(name, uint32(n)); err != nil {
				return err
			}
		}
	}
	_, manifest, _ = strings.Cut(manifest, ".")
	if manifest == "" {
		return fmt.Errorf("%w: there is no manifest", ErrDamaged)
	}
	if !slices.Contains(names, manifest) {
		return fmt.Errorf("%w: %s is missing", ErrDamaged, manifest)
	}
	return in.file(manifest, 0)
}
