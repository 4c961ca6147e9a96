#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace monge {

/// What a progress line tells.
struct ProgressState {
  std::string name = {};                        ///< what runs: "w2gn"
  std::int64_t step = 0;                        ///< steps done
  std::int64_t steps = 0;                       ///< steps in all; 0 where unknown
  std::optional<double> steps_per_second = {};  ///< none until it is known
  std::string quality = {};           ///< "energy distance"; empty where nothing is measured
  std::optional<double> latest = {};  ///< of the quality
  std::optional<double> best = {};    ///< of the quality
};

/// `state` in one line of at most `width` columns: "w2gn  42 %  step 2100/5000  310 step/s  0:09
/// left  energy distance 0.0031 (best 0.0029)". Where the width is short, whole parts go, the least
/// needed first; the name is cut only when it stands alone.
std::string progress_text(const ProgressState& state, int width);

/// Steps a second, averaged with weights that fade over some seconds, so that the time left neither
/// jumps with every step nor remembers a slow start.
class SmoothRate {
 public:
  explicit SmoothRate(double fade_seconds = 5.0) : fade_seconds_(fade_seconds) {}
  /// `step` steps were done at time `seconds`, from any origin. The first call sets the start.
  void add(std::int64_t step, double seconds);
  std::optional<double> value() const;

 private:
  double fade_seconds_;
  bool started_ = false;
  std::int64_t step_ = 0;
  double seconds_ = 0;
  double sum_ = 0;
  double weight_ = 0;
};

/// Keeps one progress line on standard error while it lives: drawn at most ten times a second,
/// fitted to the terminal, cleared before every log message and at the end. Draws nothing where
/// standard error is not a terminal. One at a time: a second one takes over the log's interrupt.
class ProgressLine {
 public:
  /// `steps` in all, or 0 where that is unknown.
  ProgressLine(std::string name, std::int64_t steps);
  ~ProgressLine();
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;

  /// `step` steps are done. Cheap enough to call at every step.
  void update(std::int64_t step);
  /// The steps now expected in all, where the budget is in seconds.
  void expect(std::int64_t steps) { state_.steps = steps; }
  /// The quality shown from now on, its latest and its best value.
  void quality(std::string_view name, double latest, double best);

 private:
  class Screen;
  std::unique_ptr<Screen> screen_;  // null where standard error is not a terminal
  ProgressState state_;
  SmoothRate rate_;
  std::chrono::steady_clock::time_point next_draw_;
};

}  // namespace monge
