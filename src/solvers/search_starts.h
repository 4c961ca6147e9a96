#pragma once

#include "solvers/amortised_conjugate.h"
#include "solvers/exchange.h"

#include <span>
#include <string_view>

namespace monge {

/// Where the searches for the maximisers x^(y) begin: for a finite target where the last one for
/// that point has ended, from a table; elsewhere at the guess of a network that learns beside the
/// potential, or at y.
class SearchStarts {
 public:
  static constexpr std::int64_t largest_table = 1 << 25;  ///< numbers, 128 MB

  /// `amortise`: none, regression or objective; auto is regression where there is no table.
  SearchStarts(std::int64_t dimension, std::string_view amortise, std::int64_t batch,
               Random& random);

  /// Whether a target of `n` points would be given a table.
  bool wants_table(std::int64_t n) const;
  /// Begins the table at the target's points, [n, d] float32.
  void set_table(const Tensor& points) { table_ = points; }
  /// [n, d], or [0, d] where there is none.
  const Tensor& table() const { return table_; }

  /// Where to begin for `y` [own.count, d], the own rows of a batch, of a table's target its points
  /// `targets` [batch]; the caller puts what the searches find into it, and says keep() or not.
  Tensor begin(const Tensor& y, std::span<const std::int64_t> targets, const Rows& own);
  /// Of what was found, that which others have to know.
  void add_to(Exchange& exchange) const;
  /// Takes what was found for the same batch.
  void keep(const Potential& psi, std::span<const std::int64_t> targets, double rate,
            const Rows& own, ProcessGroup& group);

  State state() const;
  /// Throws Error where it is not the state of such a network.
  void restore(const State& state);

 private:
  bool always_guesses_, ever_guesses_;
  AmortisedConjugate guesses_;
  Tensor table_;
  Tensor found_;  // [batch, d], of which the own rows are known, and in the end those of a table
};

}  // namespace monge
