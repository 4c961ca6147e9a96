#include "monge/events.h"

#include "monge/error.h"

#include "crc32c.h"
#include "temporary_folder.h"

#include <sys/resource.h>

#include <bit>
#include <csignal>
#include <ctime>
#include <sstream>

namespace monge {
namespace {

namespace fs = std::filesystem;
using std::string_view_literals::operator""sv;

class Events : public testing::Test {
 protected:
  std::vector<fs::path> files() const {
    std::vector<fs::path> paths;
    for (const auto& entry : fs::directory_iterator(folder_)) paths.push_back(entry.path());
    return paths;
  }

  const TemporaryFolder temporary_;
  const fs::path folder_ = temporary_.path();
};

template <class Unsigned>
Unsigned take(std::string_view& bytes) {
  Unsigned value = 0;
  for (std::size_t i = 0; i < sizeof(Unsigned); ++i)
    value = static_cast<Unsigned>(
        value | static_cast<std::uint64_t>(static_cast<unsigned char>(bytes.at(i))) << (8 * i));
  bytes.remove_prefix(sizeof(Unsigned));
  return value;
}

/// The payloads of a record file; every checksum is held to the CRC of the bytes it guards.
std::vector<std::string> records(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream whole;
  whole << file.rdbuf();
  const std::string bytes = whole.str();
  std::vector<std::string> found;
  for (std::string_view rest = bytes; !rest.empty();) {
    const std::string_view length_bytes = rest.substr(0, 8);
    const auto length = take<std::uint64_t>(rest);
    EXPECT_EQ(take<std::uint32_t>(rest), masked_crc32c(length_bytes));
    found.emplace_back(rest.substr(0, length));
    rest.remove_prefix(length);
    EXPECT_EQ(take<std::uint32_t>(rest), masked_crc32c(found.back()));
  }
  return found;
}

// RFC 3720, appendix B.4; the last is the check value of the CRC catalogues.
TEST(Crc32c, AgreesWithThePublishedVectors) {
  std::string rising(32, '\0'), falling(32, '\0');
  for (int i = 0; i < 32; ++i) {
    rising[static_cast<std::size_t>(i)] = static_cast<char>(i);
    falling[static_cast<std::size_t>(i)] = static_cast<char>(31 - i);
  }
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8a9136aau);
  EXPECT_EQ(crc32c(std::string(32, '\xff')), 0x62a8ab43u);
  EXPECT_EQ(crc32c(rising), 0x46dd794eu);
  EXPECT_EQ(crc32c(falling), 0x113fdb5cu);
  EXPECT_EQ(crc32c("123456789"), 0xe3069283u);
  EXPECT_EQ(crc32c(""), 0u);
}

TEST_F(Events, FirstRecordNamesTheVersionAndEveryScalarIsOneRecord) {
  EventWriter writer(folder_);
  writer.scalar("quality/energy distance", 300, 0.25);
  writer.flush();
  ASSERT_EQ(files().size(), 1u);
  EXPECT_TRUE(files()[0].filename().string().starts_with("events.out.tfevents."));
  const auto found = records(files()[0]);
  ASSERT_EQ(found.size(), 2u);
  // Both start with field 1, wall_time: key 0x09 and eight bytes.
  EXPECT_EQ(found[0].substr(9),
            "\x1a\x0d"
            "brain.Event:2"sv);
  EXPECT_EQ(found[1].substr(9),
            "\x10\xac\x02"      // step: 300
            "\x2a\x20\x0a\x1e"  // summary of one value
            "\x0a\x17"
            "quality/energy distance"   // its tag
            "\x15\x00\x00\x80\x3e"sv);  // 0.25f
}

TEST_F(Events, WallTimeIsNow) {
  const double before = static_cast<double>(std::time(nullptr)) - 1;
  EventWriter writer(folder_);
  std::string event = records(files().at(0)).at(0);
  std::string_view rest = event;
  ASSERT_EQ(take<std::uint8_t>(rest), 0x09);
  const double wall_time = std::bit_cast<double>(take<std::uint64_t>(rest));
  EXPECT_GE(wall_time, before);
  EXPECT_LE(wall_time, before + 60);
}

TEST_F(Events, TwoWritersOfOneSecondHaveTwoFiles) {
  EventWriter first(folder_), second(folder_);
  second.scalar("a", 1, 1.0);
  second.flush();
  ASSERT_EQ(files().size(), 2u);
  EXPECT_EQ(records(files()[0]).size() + records(files()[1]).size(), 3u);
}

TEST_F(Events, LongTagsAndLargeStepsAreFramed) {
  EventWriter writer(folder_);
  writer.scalar(std::string(5000, 't'), std::int64_t{1} << 40, -1e300);
  writer.flush();
  EXPECT_EQ(records(files().at(0)).size(), 2u);
}

TEST_F(Events, AFolderThatIsMissingIsNamed) {
  try {
    EventWriter writer(folder_ / "missing");
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find((folder_ / "missing").string()), std::string::npos);
  }
}

// A limit on the size of files stands in for a full disk.
TEST_F(Events, AFailedWriteIsAnError) {
  EventWriter writer(folder_);
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  const rlimit tight{.rlim_cur = 64, .rlim_max = before.rlim_max};
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &tight), 0);
  const auto write_one = [&] {
    writer.scalar(std::string(200, 't'), 1, 1.0);
    writer.flush();
  };
  EXPECT_THROW(write_one(), Error);
  setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handler);
}

}  // namespace
}  // namespace monge
